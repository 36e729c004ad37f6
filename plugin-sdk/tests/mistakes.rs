//! The mistakes that authors make, and what the compiler says to them.
//!
//! The texts are those of the toolchain in `rust-toolchain.toml`. To regenerate them:
//! `TRYBUILD=overwrite cargo test -p plugbay-sdk --test mistakes`.

#[test]
fn the_compiler_says_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
