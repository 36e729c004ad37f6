//! What to do about a panic of the standard library for want of something that a component lacks.

/// The beginnings of such panics, and what to do. A pure component is built without WASI.
const ADVICE: [(&str, &str); 3] = [
    (
        "time not implemented on this platform",
        "a component without WASI has no clock: write target = \"wasi\" under \
         [package.metadata.plugbay] in Cargo.toml, and let the operator grant `clocks`",
    ),
    (
        "can't sleep",
        "a component without WASI cannot wait: write target = \"wasi\" under \
         [package.metadata.plugbay] in Cargo.toml; sleeping needs no grant",
    ),
    (
        "failed to spawn thread",
        "a component has no threads, with WASI neither: do the work within the call",
    ),
];

/// What to do about a panic with this message, if the standard library does not say it.
pub(crate) fn of_panic(message: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(part, _)| message.contains(part)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_for_want_of_a_clock_or_a_thread_say_what_to_do() {
        let clock = "panicked at library/std/src/sys/time/unsupported.rs:13:9:\n\
                     time not implemented on this platform";
        assert!(of_panic(clock).unwrap().contains("grant `clocks`"));
        assert!(of_panic("panicked at x.rs:1:1:\ncan't sleep").unwrap().contains("\"wasi\""));
        let thread = "panicked at x.rs:1:1:\nfailed to spawn thread: Error { kind: Unsupported }";
        assert!(of_panic(thread).unwrap().contains("no threads"));
        assert_eq!(of_panic("panicked at src/lib.rs:3:5:\nexpected a header"), None);
    }
}
