use super::*;

fn table(names: &[&str]) -> Table<usize> {
    Table::try_from_iter(names.iter().enumerate().map(|(at, name)| (*name, at)))
        .expect("no duplicates")
}

#[test]
fn any_order_comes_out_sorted() {
    let table = table(&["yaml", "cbor", "json"]);
    assert_eq!(table.names().collect::<Vec<_>>(), ["cbor", "json", "yaml"]);
    assert_eq!(table.iter().collect::<Vec<_>>(), [("cbor", &1), ("json", &2), ("yaml", &0)]);
}

#[test]
fn every_name_is_found_and_no_other() {
    let names: Vec<_> = (0..1_000).map(|n| format!("name-{n}")).collect();
    let table = Table::try_from_iter(names.iter().map(|name| (name.as_str(), name.clone())))
        .expect("no duplicates");
    for name in &names {
        assert_eq!(table.get(name), Some(name));
        assert_eq!(table.get(&format!("{name}x")), None);
        let at = table.index_of(name).expect("it is there");
        assert_eq!(table.at(at), Some((name.as_str(), name)));
    }
    assert_eq!((table.get(""), table.at(1_000)), (None, None));
}

#[test]
fn a_duplicate_is_refused_by_name() {
    let refused = Table::try_from([("a", 1), ("b", 2), ("a", 3)]).expect_err("a twice");
    assert_eq!(refused.to_string(), r#"the name "a" is given twice"#);
    assert!(Table::try_from(vec![("a", 1), ("b", 2)]).is_ok());
}

#[test]
fn with_and_without_leave_the_original_alone() {
    let before = table(&["a", "b"]).called("letter");
    let more = before.with("c", 9).with("a", 7);
    let less = more.without("b").without("nothing");
    assert_eq!(before.iter().collect::<Vec<_>>(), [("a", &0), ("b", &1)]);
    assert_eq!(more.iter().collect::<Vec<_>>(), [("a", &7), ("b", &1), ("c", &9)]);
    assert_eq!(less.iter().collect::<Vec<_>>(), [("a", &7), ("c", &9)]);
    assert_eq!(less.get("b"), None);
    assert_eq!(less.what(), "letter");
}

#[test]
fn carried_names_are_shared_not_copied() {
    let before = table(&["a", "b"]);
    let after = before.with("c", 2);
    assert!(Arc::ptr_eq(&before.entries[0].0, &after.entries[0].0));
}

#[test]
fn an_empty_table_finds_nothing() {
    let table = Table::<()>::default();
    assert!(table.is_empty() && !table.contains("a"));
    assert_eq!(
        table.find("a").expect_err("nothing there").to_string(),
        r#"no entry "a"; known: none"#
    );
}
