//! Libraries that are refused, with the reason of each refusal.

use std::path::Path;

use plugbay_core::{CallErrorKind, Isolation, Reason, Refusal, Runtime as _};
use plugbay_native::{Ceiling, Libraries, NativeRuntime};
use serde_json::json;

use crate::compile::{self, can_compile, patched, plugin};
use crate::site::Site;

/// Asserts that the refusal names the file and contains all of `parts`.
#[track_caller]
fn assert_refusal(refusal: &Refusal, reason: Reason, path: &Path, parts: &[&str]) {
    assert_eq!(refusal.reason, reason, "{refusal}");
    let file = path.display().to_string();
    assert!(refusal.message.starts_with(&file), "expected {file} first, found: {refusal}");
    for part in parts {
        assert!(refusal.to_string().contains(part), "expected {part:?}, found: {refusal}");
    }
}

/// Builds the fixture with `flags`, and expects it to be refused.
#[track_caller]
fn assert_refused(flags: &[&str], reason: Reason, parts: &[&str]) {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &[&["-shared"], flags].concat(), &site.path("bad.so"));
    assert_refusal(&site.refusal(&path), reason, &path, parts);
}

/// Builds a good fixture, changes its bytes, and expects it to be refused.
#[track_caller]
fn assert_refused_with(change: impl FnOnce(&mut Vec<u8>), reason: Reason, parts: &[&str]) {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared"], &site.path("bad.so"));
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    assert_refusal(&site.refusal(&path), reason, &path, parts);
}

/// Where the header begins in a library.
fn header(bytes: &[u8]) -> usize {
    let magic = plugbay_abi::MAGIC;
    bytes.windows(magic.len()).position(|it| it == magic).unwrap()
}

#[test]
fn the_fixture_itself_is_accepted() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared"], &site.path("good.so"));
    let good = site.run(&path, json!({})).unwrap();
    assert_eq!(good.encode(0, b"\xf6").unwrap(), b"\xf6");
    assert_eq!(good.decode(0, b"").unwrap(), b"\x6fmarker:00000000");
}

#[test]
fn a_library_without_an_entry_is_refused() {
    assert_refused(
        &["-DNO_ENTRY"],
        Reason::NoEntry,
        &["expected an exported symbol plugbay_entry_v2, found none", "export it"],
    );
}

#[test]
fn a_library_that_is_not_a_plugin_is_refused() {
    assert_refused(
        &["-DNO_HEADER"],
        Reason::NoHeader,
        &[
            "expected a section .plugbay, found a library that is not a Plugbay plugin",
            "plugbay-sdk",
        ],
    );
}

#[test]
fn a_wrong_magic_is_refused() {
    assert_refused_with(
        |bytes| {
            let at = header(bytes);
            bytes[at..at + 7].copy_from_slice(b"PLUGBUS");
        },
        Reason::BadHeader,
        &["expected a header that begins with PLUGBAY", "found \"PLUGBUS"],
    );
}

#[test]
fn a_wrong_abi_version_is_refused() {
    assert_refused_with(
        |bytes| {
            let at = header(bytes) + 8;
            bytes[at..at + 4].copy_from_slice(&3_u32.to_ne_bytes());
        },
        Reason::AbiVersion,
        &["expected ABI version 2, found 3", "rebuild it"],
    );
}

#[test]
fn a_wrong_header_size_is_refused() {
    assert_refused_with(
        |bytes| {
            let at = header(bytes) + 12;
            bytes[at..at + 4].copy_from_slice(&4096_u32.to_ne_bytes());
        },
        Reason::BadHeader,
        &["expected a header of at least 24 bytes, found 24"],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_wrong_architecture_is_refused() {
    let (expected, machine, found) = if cfg!(target_arch = "aarch64") {
        ("aarch64", 62_u16, "x86-64")
    } else {
        ("x86-64", 183, "aarch64")
    };
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return;
    }
    assert_refused_with(
        |bytes| bytes[18..20].copy_from_slice(&machine.to_ne_bytes()),
        Reason::WrongArchitecture,
        &[
            &format!("expected a library for {expected}, found one for {found}"),
            "build it for this",
        ],
    );
}

#[test]
fn a_library_for_another_system_is_refused() {
    let site = Site::new();
    // A Mach-O library without commands; on a Mac, an ELF library without sections.
    let bytes: &[u8] = if cfg!(target_vendor = "apple") {
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0"
    } else {
        b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    };
    let path = site.path("other.dylib");
    std::fs::write(&path, [bytes, &[0; 64]].concat()).unwrap();
    let parts = ["expected a library in the format ", ", found ", "build it for this system"];
    assert_refusal(&site.refusal(&path), Reason::WrongSystem, &path, &parts);
}

#[test]
fn files_that_are_not_shared_libraries_are_refused() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let cases: [(&[&str], &str); 3] = [
        (&["-DEXECUTABLE", "-pie"], "found an executable"),
        (&["-DEXECUTABLE", "-no-pie"], "found an executable"),
        (&["-c"], "found an object file that is not linked"),
    ];
    for (flags, found) in cases {
        let path = plugin("fixture.c", flags, &site.path("bad.so"));
        let parts = ["expected a shared library", found, "cc -shared"];
        assert_refusal(&site.refusal(&path), Reason::NotALibrary, &path, &parts);
    }
    let path = site.path("bad.a");
    std::fs::write(&path, b"!<arch>\n").unwrap();
    let parts = ["expected a shared library, found a static library"];
    assert_refusal(&site.refusal(&path), Reason::NotALibrary, &path, &parts);
    let path = site.path("script.so");
    std::fs::write(&path, b"#!/bin/sh\n").unwrap();
    assert!(!site.runtime().recognises(&Site::read(&path)));
    let parts = ["expected a native library, found a file that begins with 23 21 2f"];
    assert_refusal(&site.refusal(&path), Reason::UnknownFormat, &path, &parts);
}

#[test]
fn a_truncated_file_is_refused() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared"], &site.path("cut.so"));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let artifact = Site::read(&path);
    assert!(site.runtime().recognises(&artifact));
    assert!(!site.runtime().is_whole(&artifact), "a host waits for the rest");
    // The file is refused if a host prepares it without waiting.
    let parts = ["expected a well-formed native library, found one that cannot be read"];
    assert_refusal(&site.refusal(&path), Reason::Malformed, &path, &parts);
}

#[test]
fn entries_with_an_invalid_vtable_are_refused() {
    assert_refused(&["-DNULL_ENTRY"], Reason::BadHeader, &["expected a vtable, found null"]);
    assert_refused(
        &["-DVTABLE_SIZE=8"],
        Reason::BadHeader,
        &["plugbay_entry_v2", "expected a vtable of 64 bytes, found 8"],
    );
    assert_refused(
        &["-DNULL_FUNCTION"],
        Reason::BadHeader,
        &[
            "plugbay_entry_v2",
            "expected a vtable with a function handle, found null",
            "set every function of the table",
        ],
    );
    assert_refused(
        &["-DVTABLE_VERSION=7"],
        Reason::AbiVersion,
        &["expected ABI version 2, found 7", "rebuild it"],
    );
    assert_refused(
        &["-DCODEC_VERSION=7"],
        Reason::AbiVersion,
        &["kind codec: expected ABI version 1, found 7", "rebuild it"],
    );
    assert_refused(
        &["-DCODECS_ALONE"],
        Reason::Description,
        &["expected a vtable that lists the kind handler, for handler:hand, found none"],
    );
}

#[test]
fn a_library_with_an_invalid_entry_stays_mapped() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared", "-DVTABLE_SIZE=16"], &site.path("bad.so"));
    let digest = Site::read(&path).digest;
    for _ in 0..2 {
        let parts = ["expected a vtable of 64 bytes, found 16"];
        assert_refusal(&site.refusal(&path), Reason::BadHeader, &path, &parts);
        let loaded = Libraries::of_this_process().loaded();
        let bytes = std::fs::metadata(&path).unwrap().len();
        let sizes: Vec<u64> =
            loaded.iter().filter(|it| it.digest == digest).map(|it| it.size).collect();
        assert_eq!(sizes, [bytes]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_whose_dependency_is_missing_is_refused() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let other = plugin("fixture.c", &["-shared"], &site.path("libother.so"));
    let flags = ["-shared", "-DNEEDS=plugbay_entry_v2_of_other", "-Wl,-z,lazy"];
    let path = plugin("fixture.c", &flags, &site.path("lazy.so"));
    let parts = ["expected a library that the system can load", "plugbay_entry_v2_of_other"];
    assert_refusal(&site.refusal(&path), Reason::Loader, &path, &parts);

    let search = format!("-L{}", site.folder().display());
    let flags = ["-shared", "-DDESCRIBE_NULL", "-Wl,--no-as-needed", &search, "-lother"];
    let path = plugin("fixture.c", &flags, &site.path("needy.so"));
    std::fs::remove_file(other).unwrap();
    let parts = ["expected a library that the system can load", "libother.so", "install"];
    assert_refusal(&site.refusal(&path), Reason::Loader, &path, &parts);
}

/// A private copy is loaded, beside which nothing lies.
#[test]
#[cfg(target_os = "linux")]
fn what_lies_beside_a_library_is_not_found_and_the_hint_says_so() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    plugin("fixture.c", &["-shared"], &site.path("libbeside.so"));
    let search = format!("-L{}", site.folder().display());
    let needs = |at: &str| {
        let rpath = format!("-Wl,-rpath,{at}");
        let flags = ["-shared", "-Wl,--no-as-needed", &search, "-lbeside", &rpath];
        plugin("fixture.c", &flags, &site.path("needs.so"))
    };
    let path = needs("$ORIGIN");
    let parts = [
        "libbeside.so",
        "what lies beside the file ($ORIGIN) is not found, because a private copy",
    ];
    assert_refusal(&site.refusal(&path), Reason::Loader, &path, &parts);
    // The full path is found, as the hint says.
    let path = needs(&site.folder().display().to_string());
    assert_eq!(site.run(&path, json!({})).unwrap().encode(0, b"\xf6").unwrap(), b"\xf6");
}

#[test]
fn failures_of_create_and_health_are_refused() {
    assert_refused(&["-DCREATE_FAILS"], Reason::Init, &["init: expected a licence, found none"]);
    assert_refused(&["-DCREATE_NULL"], Reason::Init, &["init: expected an instance, found null"]);
    assert_refused(
        &["-DHEALTH_FAILS"],
        Reason::Unhealthy,
        &["health: expected a disk, found none"],
    );
}

#[test]
fn invalid_descriptions_are_refused() {
    assert_refused(&["-DDESCRIBE_FAILS"], Reason::Describe, &["describe: no description today"]);
    let cases = [
        ("\"garbage\"", "expected a description as JSON, found: expected value"),
        ("\"\"", "expected a description as JSON, found: EOF"),
        ("\"[]\"", "expected a description as JSON, found: invalid"),
        ("\"{\\\"name\\\": \\\"\\xff\\\"}\"", "expected JSON in UTF-8, found invalid bytes at 10"),
        (
            "\"{\\\"name\\\": \\\"A Plugin\\\", \\\"version\\\": \\\"1.0.0\\\", \\\"capabilities\\\": []}\"",
            "plugin name: expected a name",
        ),
        (
            "\"{\\\"name\\\": \\\"a\\\", \\\"version\\\": \\\"1.0.0\\\", \\\"capabilities\\\": []}\"",
            "capabilities: expected 1 to 256, found 0",
        ),
        ("\"{\\\"name\\\": \\\"a\\\", \\\"version\\\": \\\"one\\\"}\"", "found: "),
    ];
    for (description, found) in cases {
        let flag = format!("-DDESCRIPTION={description}");
        assert_refused(&[&flag], Reason::Description, &["describe: ", found]);
    }
    assert_refused(&["-DDESCRIBE_NULL"], Reason::Description, &["found: EOF"]);
    assert_refused(
        &["-DDESCRIBE_HUGE"],
        Reason::Description,
        &["expected at most 1048576 bytes of JSON, found 67108864"],
    );
    // As many levels as the length of a C literal allows: the parser limits its depth.
    let schema = "[".repeat(4000);
    let nested = format!("-DDESCRIPTION=\"{{\\\"config_schema\\\": {schema}\"");
    assert_refused(&[&nested], Reason::Description, &["found: recursion limit exceeded"]);
}

#[test]
fn a_describe_that_panics_is_refused() {
    let site = Site::new();
    let bytes = patched(&compile::panicking(), b"describe:well", b"describe:boom");
    let path = site.path("panicking.so");
    std::fs::write(&path, bytes).unwrap();
    let parts = ["describe: panicked: nothing to describe"];
    assert_refusal(&site.refusal(&path), Reason::Describe, &path, &parts);
}

#[test]
fn a_folder_for_copies_that_is_a_file_is_refused() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared"], &site.path("good.so"));
    std::fs::write(site.path("copies"), b"in its place").unwrap();
    assert_refusal(
        &site.refusal(&path),
        Reason::Staging,
        &path,
        &["expected a private folder that this user owns"],
    );
}

#[test]
fn an_unknown_status_is_internal() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    for (status, kind) in [
        ("-DSTATUS=1", CallErrorKind::InvalidInput),
        ("-DSTATUS=3", CallErrorKind::Unavailable),
        ("-DSTATUS=4", CallErrorKind::Internal),
        ("-DSTATUS=77", CallErrorKind::Internal),
        ("-DSTATUS=5", CallErrorKind::Panic),
    ] {
        let path = plugin("fixture.c", &["-shared", status], &site.path("status.so"));
        let plugin = site.run(&path, json!({})).unwrap();
        let error = plugin.encode(0, b"\xf6").unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, "as asked"));
    }
}

#[test]
fn isolation_is_checked_before_anything_else() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let artifact = Site::read(&path);
    let prepared = site.runtime().prepare(&artifact).unwrap();
    let refused = prepared.describe(Isolation::Refuse).unwrap_err();
    assert_eq!(refused.reason, Reason::Isolation);
    assert!(refused.message.contains(&path.display().to_string()), "{refused}");
    assert!(refused.hint.contains("artifact = \"rot13.so\""), "{refused}");
    assert!(!site.path("copies").exists(), "a library that must not run is not copied");
    // Neither the file nor the folder for copies is checked in that case.
    std::fs::write(site.path("copies"), b"in its place").unwrap();
    std::fs::write(site.path("broken.so"), b"\x7fELF").unwrap();
    let broken = site.runtime().prepare(&Site::read(&site.path("broken.so"))).unwrap();
    assert_eq!(broken.describe(Isolation::Refuse).unwrap_err().reason, Reason::Isolation);
    // This runtime has no program for workers.
    let refused = prepared.describe(Isolation::Process).unwrap_err();
    assert_eq!(refused.reason, Reason::Isolation);
    assert!(refused.message.contains("a program that serves as a worker process"), "{refused}");
    let refused = prepared.describe(Isolation::InProcess).unwrap_err();
    assert_eq!(refused.reason, Reason::Staging);
}

#[test]
fn without_a_place_for_copies_each_library_is_refused() {
    let site = Site::new();
    let Some(path) = compile::example(site.folder(), "rot13.c") else { return };
    let runtime = NativeRuntime::new(None, site.tokio().handle().clone());
    assert!(runtime.recognises(&Site::read(&path)));
    let prepared = runtime.prepare(&Site::read(&path)).unwrap();
    let refused = prepared.describe(Isolation::InProcess).unwrap_err();
    assert_refusal(
        &refused,
        Reason::Staging,
        &path,
        &["expected a folder for private copies", "host.cache"],
    );
    // The library is checked first.
    std::fs::write(&path, b"\x7fELF").unwrap();
    let prepared = runtime.prepare(&Site::read(&path)).unwrap();
    assert_eq!(prepared.describe(Isolation::InProcess).unwrap_err().reason, Reason::Malformed);
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_that_requires_an_executable_stack_is_refused() {
    assert_refused(
        &["-Wl,-z,execstack"],
        Reason::Loader,
        &["expected a library that needs no executable stack", "-z noexecstack"],
    );
}

#[test]
fn mapped_bytes_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = compile::example(folder.path(), "rot13.c") else { return };
    // The bytes are changed, because another test may have loaded the unchanged library.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"beyond");
    std::fs::write(&path, &bytes).unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let with = |beyond| {
        NativeRuntime::new(folder.path().join("copies"), tokio.handle().clone())
            .ceiling(Ceiling { mapped: 1, beyond })
    };
    let refusal = |runtime: &NativeRuntime| {
        let prepared = runtime.prepare(&Site::read(&path)).unwrap();
        prepared.describe(Isolation::InProcess).unwrap_err()
    };
    let refused = refusal(&with(Isolation::Refuse));
    assert_eq!(refused.reason, Reason::Mapped);
    assert!(refused.message.contains("at most 1 bytes"), "{refused}");
    assert!(refused.message.contains(&bytes.len().to_string()), "{refused}");
    // The library would run in a worker, for which this runtime has no program.
    assert_eq!(refusal(&with(Isolation::Process)).reason, Reason::Isolation);
    let digest = Site::read(&path).digest;
    assert!(Libraries::of_this_process().loaded().iter().all(|it| it.digest != digest));
}
