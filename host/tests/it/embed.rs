//! Applications that embed a host, also with a kind of their own.

use std::path::PathBuf;
use std::time::Duration;

use plugbay::wasm::Engine;
use plugbay::{CallErrorKind, CallOptions, Config, Error, Host, Reason};
use plugbay_fixtures::{Guest, component};

use crate::examples::own_kind::greeter::GreeterKind as Greeter;
use crate::examples::{embed, host_function, own_kind};
use crate::support::{place, wait};

#[test]
fn the_embed_example_swaps_a_codec() {
    let version = |version: &str| Guest::codec("mine").version(version).stamp(version).build();
    let [before, after] = embed::swap(&version("1.0.0"), &version("2.0.0")).unwrap();
    assert!(before.ends_with(b"1.0.0") && after.ends_with(b"2.0.0"));
    // A refused version is reported.
    let error = embed::swap(&version("1.0.0"), &version("two")).unwrap_err();
    assert!(error.to_string().contains("expected `major.minor.patch`"), "{error}");
}

#[test]
fn the_example_with_a_function_for_plugins_knows_who_calls() {
    let notes = host_function::audited(host_function::guest()).unwrap();
    assert_eq!(notes, ["order-7: hello 1.0.0: encode"]);
    // A host without the function refuses the plugin.
    let site = place().plugin("hello.wasm", host_function::guest()).unwatched().host();
    let rejected = site.rejected("hello.wasm").unwrap();
    assert_eq!(rejected.reason, Reason::MissingImport);
    assert!(rejected.message.contains("acme:greet/audit@0.1.0"), "{}", rejected.message);
}

#[test]
fn the_own_kind_example_greets() {
    assert_eq!(own_kind::greet(own_kind::guest(), "you").unwrap(), "Hello, you");
}

#[test]
fn a_kind_of_the_application_is_served_like_any_other() {
    let site = place()
        .plugin("hello.wasm", own_kind::guest())
        .plugin("codec.wasm", Guest::codec("codec").stamp("1"))
        .host_with(plugbay::Builder::kind::<Greeter>);
    assert_eq!(site.kinds(), ["codec", "greeter"]);
    assert_eq!(site.running("hello").unwrap().capabilities, ["greeter:hello"]);
    let greeter = site.get::<Greeter>("hello").unwrap();
    let greet = |name: &str| {
        greeter.call(CallOptions::default(), |greeter, context| {
            greeter.greet(context, name.to_owned())
        })
    };
    for _ in 0..10_000 {
        assert_eq!(greet("you").unwrap(), "Hello, you");
    }
    // The guest traps, because it has no room for a name of this length.
    let Error::Call(error) = greet(&"x".repeat(100_000)).unwrap_err() else { panic!("a call") };
    assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Trap, Some("hello@1.0.0")));
    assert_eq!(greet("again").unwrap(), "Hello, again");
    site.remove("hello.wasm");
    crate::support::until("the plugin is removed", || greet("you").is_err());
    let missed = site.get::<Greeter>("hello").unwrap_err();
    assert_eq!(missed.to_string(), "no greeter \"hello\"; known: none");
}

#[test]
fn an_unknown_kind_is_refused() {
    let site = place().plugin("hello.wasm", own_kind::guest()).unwatched().host();
    let rejected = site.rejected("hello.wasm").unwrap();
    assert_eq!(rejected.reason, Reason::WrongWorld);
    let expected =
        "capability greeter:hello: expected a kind that this host serves (codec, handler)";
    assert!(rejected.message.contains(expected), "{}", rejected.message);
}

#[test]
fn a_kind_whose_interface_has_other_types_is_refused() {
    let wit = "package acme:greet@0.1.0;
        interface greeter { greet: func(name: u32) -> u32; }
        world greeter-plugin { include plugbay:plugin/base-plugin@1.0.0; export greeter; }";
    let wat = include_str!("../../examples/own_kind/guest.wat");
    let greet = wat.find("(func (export \"acme:greet").unwrap();
    let wat = format!(
        "{}(func (export \"acme:greet/greeter@0.1.0#greet\") (param i32) (result i32) (local.get 0)))",
        &wat[..greet]
    );
    let site = place()
        .plugin("hello.wasm", component(wit, "greeter-plugin", &wat))
        .unwatched()
        .host_with(plugbay::Builder::kind::<Greeter>);
    let rejected = site.rejected("hello.wasm").unwrap();
    assert_eq!(rejected.reason, Reason::WrongWorld, "{}", rejected.message);
    assert!(rejected.message.contains("expected functions of the types"), "{}", rejected.message);
}

#[test]
fn two_hosts_of_one_process_share_an_engine_and_nothing_else() {
    let engine = Engine::new().unwrap();
    let one = place().plugin("a.wasm", Guest::codec("a").stamp("one")).engine(&engine).host();
    let two = place().plugin("a.wasm", Guest::codec("a").stamp("two")).engine(&engine).host();
    assert_eq!((one.encode("a"), two.encode("a")), ("one".into(), "two".into()));
    one.remove("a.wasm");
    crate::support::until("the first host has no plugin", || one.codec("a").is_err());
    assert_eq!(two.encode("a"), "two");
    drop(one);
    assert_eq!(two.encode("a"), "two");
}

#[test]
fn a_host_is_driven_without_an_async_runtime() {
    let site = place().plugin("a.wasm", Guest::codec("a").stamp("1")).unwatched().host();
    let first = site.snapshot().generation();
    site.drop_in("a.wasm", Guest::codec("a").stamp("2"));
    while site.encode("a") != "2" {
        drop(site.reload_blocking());
    }
    assert!(site.roll_back_blocking(first).unwrap().published);
    assert_eq!((site.encode("a").as_str(), site.status().pinned), ("1", Some(first)));
    assert!(site.roll_back_blocking(99).is_err());
    assert!(site.resume_blocking().unwrap().published);
    assert_eq!(site.encode("a"), "2");
    assert!(site.shutdown_blocking(Duration::from_secs(10)).is_empty());
    assert!(!site.is_alive() && site.resume_blocking().is_err());
    assert!(site.shutdown_blocking(Duration::from_secs(10)).is_empty(), "a second time");
}

#[test]
fn codecs_are_called_without_blocking() {
    let site = place().plugin("a.wasm", Guest::codec("a")).unwatched().host();
    let codec = site.codec("a").unwrap();
    wait(async {
        let bytes = codec.encode_async(&["one", "two"]).await.unwrap();
        assert_eq!(codec.decode_async::<Vec<String>>(bytes).await.unwrap(), ["one", "two"]);
        let error = codec.decode_async::<u32>(vec![0x61, b'x']).await.unwrap_err();
        assert_eq!(error.reason(), "deserialize");
    });
    assert_eq!(site.names_of::<plugbay::Codec>(), ["a"]);
}

#[test]
fn settings_of_the_builder_compose_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    crate::support::drop_in(&folder.path().join("a.wasm"), &Guest::codec("a").stamp("a").build());
    let mut config = Config::default();
    config.host.linked = false;
    config.host.cache = PathBuf::new();
    config.defaults.queue = 7;
    let file = folder.path().join("config.toml");
    crate::support::drop_in(
        &file,
        b"[host]\nplugins = \"elsewhere\"\nlinked = false\ncache = \"\"\n[defaults]\nqueue = 7\n",
    );
    let layers = || Config::builder().file(&file);
    let (path, build) = (folder.path(), || Host::builder().watch(false));
    for builder in [
        build().config(config.clone()).plugins(path),
        build().plugins(path).config(config),
        build().layers(layers()).plugins(path),
        build().plugins(path).layers(layers()),
    ] {
        let host = builder.build_blocking().unwrap();
        assert_eq!(host.codec("a").unwrap().encode_document(b"").unwrap(), b"a");
        assert_eq!(host.config().defaults.queue, 7);
        assert_eq!(host.config().host.plugins, path);
    }
}

#[test]
fn a_missing_folder_is_reported_and_not_created() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("typo");
    let host = Host::builder().plugins(&folder).watch(false).build_blocking().unwrap();
    let rejected = host.status().rejected;
    assert_eq!(rejected[0].reason, Reason::Unreadable);
    assert!(rejected[0].source.ends_with("typo"), "{rejected:?}");
    assert!(!folder.exists());
}

#[test]
fn a_host_that_is_shut_down_is_neither_ready_nor_alive() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::builder().plugins(folder.path()).build_blocking().unwrap();
    assert!(host.is_ready() && host.is_alive());
    wait(host.shutdown(std::time::Duration::from_secs(60)));
    assert!(!host.is_ready() && !host.is_alive());
}

#[test]
fn a_host_of_artifacts_in_memory_works_inside_and_outside_of_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let build = || Host::builder().plugins(folder.path()).artifact("a", Guest::both("a").build());
    let host = build().build_blocking().unwrap();
    assert_eq!(host.status().plugins[0].source, "memory:a");
    let codec = host.codec("a").unwrap();
    assert_eq!(codec.encode(&vec![1, 2]).unwrap(), [0x82, 1, 2]);
    assert_eq!(codec.decode::<Vec<u8>>(&[0x82, 1, 2]).unwrap(), [1, 2]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let inside = build().build().await.unwrap();
        assert_eq!(inside.codec("a").unwrap().encode(&"x").unwrap(), [0x61, b'x']);
        let answer = inside.handler("a").unwrap().handle(crate::support::request("body")).await;
        assert_eq!(answer.unwrap().body, b"body");
        assert!(!inside.reload().await.published);
        drop(inside);
    });
    assert!(wait(host.shutdown(std::time::Duration::from_secs(60))).is_empty());
    assert_eq!(codec.encode(&1).unwrap_err().reason(), "retired");
}
