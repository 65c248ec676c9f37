//! Setting weights from a program.

use ndarray::{Array1, Array2, arr2};
use refrain_nn::layers::Dense;
use refrain_nn::{Compile, InputSpec, Model, Sequential};

fn model() -> Model {
    let model = Sequential::new().input(InputSpec::flat(2)).add(Dense::new(3));
    model.compile(Compile::default()).unwrap()
}

#[test]
fn a_weight_is_set_from_any_memory_layout() {
    let kernel = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let (mut model, mut of_a_view) = (model(), model());
    model.set_weight("dense/kernel", &kernel).unwrap();
    of_a_view.set_weight("dense/kernel", &kernel.t().to_owned().t()).unwrap();
    for model in [&model, &of_a_view] {
        assert_eq!(model.weight("dense/kernel").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
    of_a_view.set_weight_flat("dense/kernel", &[0.0; 6]).unwrap();
    assert_eq!(of_a_view.weight("dense/kernel").unwrap(), [0.0; 6]);
}

#[test]
fn another_shape_is_rejected_and_a_transposed_one_named() {
    let refused =
        |name: &str, values: &Array2<f32>| model().set_weight(name, values).unwrap_err().to_string();
    let transposed = refused("dense/kernel", &Array2::zeros((3, 2)));
    assert_eq!(transposed, "dense/kernel is of shape [3, 2], but the model expects [2, 3]: transpose it");
    let other = refused("dense/kernel", &Array2::zeros((3, 3)));
    assert!(other.ends_with("is of shape [3, 3], but the model expects [2, 3]"), "{other}");
    assert!(refused("dense/kernels", &Array2::zeros((2, 3))).contains("one of dense/kernel, dense/bias"));
    let error = model().set_weight("dense/bias", &Array1::zeros(2)).unwrap_err().to_string();
    assert!(error.contains("[2], but the model expects [3]"), "{error}");
    assert!(model().set_weight_flat("dense/kernel", &[0.0; 5]).unwrap_err().to_string().contains("5 values"));
}
