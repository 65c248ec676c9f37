//! Code that all layers of this library share.

/// Implements the methods of `Layer` that follow from a layer's fields: `name` and, with `trainable`, that
/// one too. The config is the serialized layer.
macro_rules! named_layer {
    ($class:expr) => {
        fn class_name(&self) -> &'static str {
            $class
        }

        fn name(&self) -> Option<&str> {
            self.name.as_deref()
        }

        fn config(&self) -> serde_json::Value {
            serde_json::json!(self)
        }

        fn boxed_clone(&self) -> Box<dyn $crate::layers::Layer> {
            Box::new(self.clone())
        }
    };
    ($class:expr, trainable) => {
        named_layer!($class);

        fn trainable(&self) -> bool {
            self.trainable
        }
    };
}

/// Builder methods that set one field each: `field: Type`, or `field: Some(Type)` for an optional one, and
/// `name`.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $field:ident: Some($type:ty) $(, $($rest:tt)*)?) => {
        $(#[$doc])*
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }

        $(setters! { $($rest)* })?
    };
    ($(#[$doc:meta])* $field:ident: $type:ty $(, $($rest:tt)*)?) => {
        $(#[$doc])*
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }

        $(setters! { $($rest)* })?
    };
    (name $(, $($rest:tt)*)?) => {
        /// Sets the name.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.name = Some(name.into());
            self
        }

        $(setters! { $($rest)* })?
    };
}
