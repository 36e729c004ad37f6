//! The YAML 1.2.2 specification, example by example, and hostile texts.

use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_plugin_yaml::Yaml;
use plugbay_sdk::{Codec as _, ErrorKind};

#[test]
fn the_examples_of_the_specification_are_read() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 59, |case| {
        let document = Yaml.decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn what_is_read_is_written_so_that_it_reads_the_same() {
    let cases = vectors::blocks(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 59, |case| {
        let document = Yaml.decode(&case.input).map_err(|error| error.to_string())?;
        let text = Yaml.encode(&document).map_err(|error| error.to_string())?;
        let again = Yaml
            .decode(&text)
            .map_err(|error| format!("{error} in {:?}", String::from_utf8_lossy(&text)))?;
        vectors::same(case, &diagnostic(again.as_cbor()))
    });
}

#[test]
fn what_is_wrong_or_out_of_reach_is_refused_and_says_why() {
    let cases = vectors::blocks(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 50, |case| vectors::refused(case, Yaml.decode(&case.input)));
}

/// Nine levels of nine aliases: 9^9 nodes from 500 bytes.
#[test]
fn a_billion_laughs_are_refused() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{below}]\n");
    }
    let error = Yaml.decode(bomb.as_bytes()).expect_err("too much");
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert!(error.message().contains("aliases stand for more than 100000 nodes"), "{error}");
}

#[test]
fn aliases_count_towards_the_depth() {
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        tower += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let error = Yaml.decode(tower.as_bytes()).expect_err("too deep");
    assert!(error.message().contains("nested deeper than 128 levels"), "{error}");
}
