//! `refrain bench` on a layer small enough for a test.

mod common;

use common::TestDir;

#[test]
fn every_cell_is_measured_against_the_machine() {
    let result = TestDir::new().ok(&["--json", "bench", "--units", "8,17"]).event("result");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {result}"));
    for name in ["peak_gflops", "peak_gflops_one_thread", "gigabytes_per_second"] {
        assert!(number(&result[name]) > 0.0, "{name}");
    }
    for (group, time) in [("training", "milliseconds"), ("streaming", "microseconds")] {
        let rows = result[group].as_array().expect("a list");
        let named: Vec<_> = rows.iter().map(|row| (row["cell"].as_str(), row["units"].as_u64())).collect();
        let cells = ["lstm", "gru", "rnn"];
        assert_eq!(named, cells.map(|cell| [8, 17].map(|units| (Some(cell), Some(units)))).concat());
        for row in rows {
            let share = number(&row["share_of_peak"]);
            assert!(number(&row[time]) > 0.0 && share > 0.0, "{group}: {row}");
        }
    }
    let table = TestDir::new().ok(&["bench", "--units", "8"]).stdout;
    assert!(table.contains("GFLOP/s") && table.contains("gru       8"), "{table}");
}
