//! `plugbay directory --dns`, asked by programs that know nothing of it.

use std::process::Command;

use super::directory::{Directory, plugbay};

#[test]
fn services_are_found_by_name() {
    let directory = Directory::start(&["--dns", "127.0.0.1:0", "--zone", "example.internal"]);
    let id = directory.said(&["register", "web", "127.0.0.9", "8080"]);
    let dns = &directory.serving["dns"];
    assert_eq!(dns["zone"], "example.internal.");
    let (address, port) = dns["address"].as_str().unwrap().rsplit_once(':').unwrap();
    let dig = |question: &[&str]| {
        let mut dig = Command::new("dig");
        dig.arg(format!("@{address}")).args(["-p", port, "+short", "+tries=1", "+time=10"]);
        let output = dig.args(question).output().expect("dig is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let name = "web.service.example.internal";
    assert_eq!(dig(&[name, "A"]), "127.0.0.9\n");
    assert_eq!(dig(&["+tcp", name, "SRV"]), format!("0 1 8080 {id}.{name}.\n"));
    directory.said(&["deregister", "web", &id]);
    assert_eq!(dig(&[name, "A"]), "");
    directory.stop();
}

/// As in the guide: the C library of `curl` asks the name server of `/etc/resolv.conf`, which is always
/// at port 53, so this test has a network and a file of its own.
#[cfg(target_os = "linux")]
#[test]
fn curl_finds_a_service_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 127.0.0.1\noptions timeout:5\n").unwrap();
    // The service is the directory itself, which answers to names of this machine only.
    let script = r#"
        ip link set lo up
        mount --bind "$1" /etc/resolv.conf
        [ -n "$2" ] || exit 0
        coproc D { exec "$2" directory --dns 127.0.0.1:53; }
        read -r directory <&"${D[0]}"
        read -r dns <&"${D[0]}"
        echo "$dns"
        "$2" services register web 127.0.0.1 7072 > id
        curl -sS --noproxy '*' --max-time 30 -H 'Host: localhost' http://web.service.plugbay:7072/livez
        kill "$D_PID"
    "#;
    let within = |program: &str| {
        let mut unshare = clean_unshare();
        unshare.current_dir(&folder).args(["bash", "-ec", script, "bash"]).arg(&resolv);
        unshare.arg(program).output()
    };
    match within("") {
        Ok(output) if output.status.success() => {}
        Ok(output) => return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return eprintln!("skipped: unshare: {error}"),
    }
    let output = within(env!("CARGO_BIN_EXE_plugbay")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "dns        127.0.0.1:53, NAME.service.plugbay\nok\n", "{output:?}");
}

#[cfg(target_os = "linux")]
fn clean_unshare() -> Command {
    let mut unshare = super::cli::clean(Command::new("unshare"));
    unshare.args(["--net", "--mount", "--propagation", "private"]);
    unshare
}

#[test]
fn it_is_for_this_machine_only() {
    let directory = |words: &[&str]| {
        let mut command = plugbay();
        let output = command.args(["directory", "--listen", "127.0.0.1:0"]).args(words).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = directory(&["--dns", "0.0.0.0:0"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("this machine (loopback) for DNS, found 0.0.0.0:0: DNS has no tokens"),
        "{said}"
    );
    assert!(said.contains("docs/directory-dns.md"), "{said}");
    assert_eq!(directory(&["--dns", "127.0.0.1:0", "--zone", "a..b"]).0, Some(2));
    assert_eq!(directory(&["--zone", "plugbay"]).0, Some(2), "a zone of nothing");
}
