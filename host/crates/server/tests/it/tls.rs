//! TLS of both planes: certificates that change, clients that need one, and the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use plugbay::Liveness;
use plugbay_fixtures::Guest;
use plugbay_server::{BindError, Role, Server, new_token};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cli::plugbay;
use super::http2::curl;
use super::support::{SOON, Setup, host, until};

/// An authority, and the folder of its files.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        // A name of its own, as each authority has.
        let name = format!("authority {}", folder.path().display());
        params.distinguished_name.push(DnType::CommonName, name);
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ca(&self) -> String {
        self.file("ca.pem").display().to_string()
    }

    /// A certificate of this machine, and its key, as PEM.
    fn certificate(&self) -> (String, String) {
        self.certificate_until(rcgen::date_time_ymd(2100, 1, 1).into())
    }

    fn certificate_until(&self, end: SystemTime) -> (String, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = end.into();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a certificate and its key to these files.
    pub(crate) fn issue(&self, certificate: &Path, key: &Path) {
        self.issue_until(rcgen::date_time_ymd(2100, 1, 1).into(), certificate, key);
    }

    fn issue_until(&self, end: SystemTime, certificate: &Path, key: &Path) {
        let (certificate_pem, key_pem) = self.certificate_until(end);
        fs::write(certificate, certificate_pem).unwrap();
        fs::write(key, key_pem).unwrap();
    }

    /// A certificate of this authority, and a setup whose plane has it.
    fn setup(&self, section: &str, more: &str) -> Setup {
        let (certificate, key) = (self.file("tls.pem"), self.file("tls.key"));
        self.issue(&certificate, &key);
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("{{ certificate = '{certificate}', key = '{key}'{more} }}");
        host().plugin("echo.wasm", &Guest::handler("echo")).set(&format!("{section}.tls"), &tls)
    }
}

/// Runs curl on a thread that may block.
async fn get(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let asking = tokio::task::spawn_blocking(move || {
        curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    });
    asking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_plane_speaks_both_versions_over_tls() {
    let authority = Authority::new();
    let serving = authority.setup("server", "").serve().await;
    let (url, ca) = (format!("https://{}/echo", serving.data()), authority.ca());
    let large = "x".repeat(3_000_000);
    let file = authority.file("large");
    fs::write(&file, &large).unwrap();
    let body = format!("@{}", file.display());
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = get(&[flag, "--cacert", &ca, "--data", "hi", &url]).await;
        assert_eq!(answer, format!("hi {version} 200"));
        let answer = get(&[flag, "--cacert", &ca, "--data-binary", &body, &url]).await;
        assert!(answer == format!("{large} {version} 200"), "{} bytes", answer.len());
    }
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let max = if version == "--tlsv1.2" { "1.2" } else { "1.3" };
        let answer = get(&[version, "--tls-max", max, "--cacert", &ca, "--data", "hi", &url]).await;
        assert_eq!(answer, "hi 2 200");
    }
    let old = get(&["--tls-max", "1.1", "--cacert", &ca, &url]).await;
    assert!(old.ends_with(" 000") || old.contains("curl:"), "{old}");
    // Who does not speak TLS gets no answer, and the connection ends.
    let plain = format!("http://{}/echo", serving.data());
    assert!(get(&["--data", "hi", &plain]).await.contains("curl:"));
    let metrics = serving.admin_get("/metrics").await.text();
    assert!(
        metrics.contains("plugbay_tls_certificate_not_after_seconds{plane=\"server\"} 4102444800")
    );
    assert!(metrics.contains("plugbay_tls_certificate_is_current{plane=\"server\"} 1"));
    assert_eq!(serving.server.stop(SOON).await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let (first, second) = (Authority::new(), Authority::new());
    let serving = first.setup("server", "").serve().await;
    let url = format!("https://{}/echo", serving.data());
    let [old, new] = [&first, &second].map(Authority::ca);
    let (certificate, key) = (first.file("tls.pem"), first.file("tls.key"));
    let answers = async |ca: &str| get(&["--cacert", ca, "--data", "hi", &url]).await == "hi 2 200";
    assert!(answers(&old).await && !answers(&new).await);
    // The key of another certificate, no PEM at all, an empty file.
    let good = fs::read(&key).unwrap();
    for broken in [second.certificate().1.as_bytes(), b"nonsense", b""] {
        fs::write(&key, broken).unwrap();
        until("the mistake is told", || async {
            let metrics = serving.admin_get("/metrics").await.text();
            metrics.contains("plugbay_tls_certificate_is_current{plane=\"server\"} 0")
        })
        .await;
        assert!(answers(&old).await);
        fs::write(&key, &good).unwrap();
        until("it is repaired", || async {
            let metrics = serving.admin_get("/metrics").await.text();
            metrics.contains("plugbay_tls_certificate_is_current{plane=\"server\"} 1")
        })
        .await;
    }
    second.issue(&certificate, &key);
    until("the new certificate is used", || answers(&new)).await;
    assert!(!answers(&old).await);
    let told = serving.admin_get("/v1/generations").await.json();
    let told = told["events"].as_array().unwrap().iter();
    let of = |outcome: &str| told.clone().filter(|it| it["outcome"] == outcome).collect::<Vec<_>>();
    let refused = of("certificate-refused");
    assert_eq!((refused.len(), &refused[0]["plane"]), (3, &"server".into()), "{refused:?}");
    let reloaded = of("certificate-reloaded");
    assert_eq!(reloaded.last().unwrap()["expires_at"], "2100-01-01T00:00:00.000Z");
}

/// An operator is told of a certificate that is about to expire, or has.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_is_told() {
    let authority = Authority::new();
    let serving = authority.setup("server", "").serve().await;
    let (certificate, key) = (authority.file("tls.pem"), authority.file("tls.key"));
    for end in [SystemTime::now() + Duration::from_hours(24), SystemTime::UNIX_EPOCH] {
        authority.issue_until(end, &certificate, &key);
        let end = plugbay::timestamp::text(end);
        until("it is told", || async {
            let told = serving.admin_get("/v1/generations").await.json();
            told["events"].as_array().unwrap().iter().any(|it| {
                let at = it["expires_at"].as_str().unwrap_or_default();
                it["outcome"] == "certificate-expiring" && at[..10] == end[..10]
            })
        })
        .await;
    }
}

/// `trace` follows a request to a data plane with TLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_data_plane_with_tls_is_followed() {
    let authority = Authority::new();
    let serving = authority.setup("server", "").serve().await;
    let admin = format!("http://{}", serving.admin());
    let (data, ca) = (serving.data().to_string(), authority.ca());
    let at_all = format!("admin.listen={}", serving.admin());
    let run = |arguments: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let output = plugbay(&arguments).output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        })
    };
    let trace = |more: &[&str]| {
        let all =
            ["trace", "GET", "/echo", "--data", &data].into_iter().chain(more.iter().copied());
        run(all.map(str::to_owned).collect())
    };
    // Its authority is named, or its certificate is that of the configuration of a host of this machine.
    for how in [&["--host", &admin, "--ca", &ca][..], &["--set", &at_all]] {
        let (code, out, err) = trace(how).await.unwrap();
        assert!(code == Some(0) && out.contains("\n200, "), "{how:?}: {out}{err}");
    }
    let (code, _, err) = trace(&["--host", &admin]).await.unwrap();
    assert!(code == Some(2) && err.contains("--ca FILE"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_is_bounded_in_time() {
    let authority = Authority::new();
    let serving = authority.setup("server", "").set("server.timeout", "300ms").serve().await;
    // Nothing, and the beginning of a record.
    for begin in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut stream = TcpStream::connect(serving.data()).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an end").unwrap();
    }
    let metrics = serving.admin_get("/metrics").await.text();
    assert!(
        metrics.contains("plugbay_tls_handshakes_failed_total{plane=\"server\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_certificate_does_not_start() {
    let authority = Authority::new();
    let setup = authority.setup("server", "");
    let bind = || match Server::bind(&setup.layers().load().unwrap(), Liveness::default()) {
        Ok(_) => panic!("it starts"),
        Err(error) => error,
    };
    let (_, other) = authority.certificate();
    fs::write(authority.file("tls.key"), other).unwrap();
    let error = bind();
    assert!(matches!(&error, BindError::Tls { key: "server.tls", .. }), "{error}");
    assert!(error.to_string().contains("with the key in"), "{error}");
    fs::write(authority.file("tls.key"), "secret-but-no-pem").unwrap();
    let error = bind();
    assert!(error.to_string().contains("expected a private key as PEM in"), "{error}");
    assert!(!error.to_string().contains("secret-but"), "{error}");
    fs::remove_file(authority.file("tls.pem")).unwrap();
    assert!(bind().to_string().contains("cannot read"));
}

/// The admin plane beyond loopback: with a token, TLS, and here a certificate of the client.
#[tokio::test(flavor = "multi_thread")]
async fn the_admin_plane_is_served_beyond_loopback_with_tokens_and_tls() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let tokens = authority.file("tokens");
    let token = new_token(&tokens, "ada", Role::Operator).unwrap();
    let more = format!(", client_ca = '{}'", clients.ca());
    let setup = authority.setup("admin", &more);
    assert!(setup.layers().set("admin.listen", "0.0.0.0:0").load().is_err(), "without tokens");
    // The same for a configuration that an application makes.
    let mut config = setup.layers().load().unwrap();
    config.admin.listen = vec!["0.0.0.0:0".parse().unwrap()];
    let bound = Server::bind(&config, Liveness::default());
    assert!(matches!(bound.map(drop), Err(BindError::Exposed(_))));
    let setup =
        setup.set("admin.tokens", tokens.to_str().unwrap()).set("admin.listen", "0.0.0.0:0");
    let serving = setup.serve().await;
    let port = serving.admin().port();
    let url = format!("https://localhost:{port}/v1/session");
    let (mine, key) = (clients.file("me.pem"), clients.file("me.key"));
    clients.issue(&mine, &key);
    let identity = clients.file("identity.pem");
    fs::write(&identity, [fs::read(&mine).unwrap(), fs::read(&key).unwrap()].concat()).unwrap();
    let bearer = format!("authorization: Bearer {}", token.reveal());
    let (ca, mine, key) = (authority.ca(), mine.display().to_string(), key.display().to_string());
    let with_both = ["--cacert", &ca, "--cert", &mine, "--key", &key, "-H", &bearer, &url];
    assert!(get(&with_both).await.starts_with(r#"{"name":"ada","role":"operator","open":false}"#));
    let without_token = ["--cacert", &ca, "--cert", &mine, "--key", &key, &url];
    assert!(get(&without_token).await.ends_with(" 401"));
    let without_certificate = ["--cacert", &ca, "-H", &bearer, &url];
    assert!(get(&without_certificate).await.contains("curl:"));

    let host = format!("https://localhost:{port}");
    let identity = identity.display().to_string();
    let run = |arguments: &[&str]| {
        let mut command = plugbay(arguments);
        let output = command.env("PLUGBAY_TOKEN", token.reveal()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let named = ["status", "--host", &host, "--ca", &ca, "--identity", &identity];
    assert_eq!(run(&named), (Some(0), String::new()));
    let (code, text) =
        run(&["status", "--host", &host, "--ca", &clients.ca(), "--identity", &identity]);
    assert_eq!(code, Some(1), "another authority");
    assert!(text.contains("expected TLS with a trusted certificate"), "{text}");
    let (code, text) = run(&["status", "--host", &host]);
    assert_eq!(code, Some(2));
    assert!(text.contains("--ca FILE"), "{text}");

    // On the machine of the host its configuration says which certificate is the right one.
    let listen = format!("admin.listen=127.0.0.1:{port}");
    let tls = |folder: &Authority| {
        let file = |name| folder.file(name).display().to_string();
        format!("admin.tls={{ certificate = '{}', key = '{}' }}", file("tls.pem"), file("tls.key"))
    };
    let here = tls(&authority);
    let here = ["status", "--set", &listen, "--set", &here, "--identity", &identity];
    assert_eq!(run(&here), (Some(0), String::new()));
    let other = Authority::new();
    other.issue(&other.file("tls.pem"), &other.file("tls.key"));
    let other = tls(&other);
    let (code, text) = run(&["status", "--set", &listen, "--set", &other, "--identity", &identity]);
    assert_eq!(code, Some(1), "{text}");
}
