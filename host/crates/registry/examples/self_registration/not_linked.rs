//! The same application without the codec crate: prints
//! `no codec "hex"; known: none` and fails.

mod app;

fn main() -> std::process::ExitCode {
    app::main()
}
