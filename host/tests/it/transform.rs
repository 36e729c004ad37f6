//! The example `transform`: batches through a chain of plugins.

use crate::examples::transform::step::{Row, check_plugin};
use crate::examples::transform::{Chain, guest, guests, host};

fn values(rows: &[Row]) -> Vec<(u64, f64)> {
    rows.iter().map(|row| (row.id, row.value)).collect()
}

#[test]
fn records_go_through_all_steps_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), &guests()).unwrap();
    let batch = || vec![Row { id: 1, value: 1.5 }, Row { id: u64::MAX, value: -4.0 }];
    for (names, expected) in [(["twice", "minus"], [2.0, -9.0]), (["minus", "twice"], [1.0, -10.0])]
    {
        let chain = Chain::of(&host, &names.map(str::to_owned)).unwrap();
        let rows = chain.apply(batch()).unwrap();
        assert_eq!(values(&rows), [(1, expected[0]), (u64::MAX, expected[1])]);
    }
    assert!(Chain::of(&host, &["thrice".to_owned()]).is_err());
}

#[test]
fn a_step_that_fails_ends_the_batch_and_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    let [twice, _] = guests();
    let host = host(folder.path(), &[twice, guest("fails", "(unreachable)")]).unwrap();
    let chain = Chain::of(&host, &["twice".to_owned(), "fails".to_owned()]).unwrap();
    let error = chain.apply(vec![Row { id: 1, value: 1.0 }]).unwrap_err();
    assert_eq!(error.reason(), "trap");
    assert!(error.to_string().contains("fails"), "{error}");
}

#[test]
fn the_steps_of_the_example_conform() {
    for step in guests() {
        check_plugin(step).unwrap();
    }
}
