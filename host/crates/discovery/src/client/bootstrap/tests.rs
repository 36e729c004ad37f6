//! Each way, and which wins.

use super::*;

async fn found(bootstrap: Bootstrap) -> (Source, Vec<String>) {
    let found = bootstrap.find().await.unwrap();
    (found.source, found.addresses.iter().map(ToString::to_string).collect())
}

fn texts(addresses: &[&str]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_first_way_that_is_set_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory");
    std::fs::write(&file, "file:1").unwrap();
    let way = |explicit: &str, environment: &str| {
        Bootstrap::default()
            .explicit(explicit)
            .environment_value(Some(environment.into()))
            .file(&file)
            .dns("_directory._tcp.example")
    };
    let explicit = found(way("flag:1", "variable:1")).await;
    assert_eq!(explicit, (Source::Explicit, texts(&["http://flag:1"])));
    let variable = found(way("", "variable:1")).await;
    assert_eq!(variable, (Source::Environment, texts(&["http://variable:1"])));
    let from_file = found(way("", " , ")).await;
    assert_eq!(from_file, (Source::File(file.clone()), texts(&["http://file:1"])));

    std::fs::remove_file(&file).unwrap();
    let dns = super::dns::testing::Server::start(&[(10, 5, 8500, "one.example.")]).await;
    let name = "_directory._tcp.example.";
    let by_dns = way("", "").dns(name).dns_server(dns.address());
    assert_eq!(
        found(by_dns).await,
        (Source::Dns(name.into()), texts(&["http://one.example:8500"]))
    );
    assert_eq!(Bootstrap::default().find().await.unwrap_err().reason(), "no-directory");
}

#[tokio::test]
async fn a_way_that_is_set_and_wrong_is_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory");
    let error = async |bootstrap: Bootstrap| bootstrap.find().await.unwrap_err();
    let wrong = error(Bootstrap::default().explicit("http://a:1,ftp://b").file(&file)).await;
    assert_eq!(
        wrong.to_string(),
        "expected an address such as http://host:8500 or host:8500, found \"ftp://b\" in the explicit value"
    );
    std::fs::write(&file, "# nothing\n\n").unwrap();
    assert_eq!(error(Bootstrap::default().file(&file).dns("x")).await.reason(), "no-address");
    std::fs::write(&file, "#".repeat(70_000)).unwrap();
    assert_eq!(error(Bootstrap::default().file(&file)).await.reason(), "unreadable-file");
    assert_eq!(error(Bootstrap::default().file(folder.path())).await.reason(), "unreadable-file");
}

#[tokio::test]
async fn a_file_has_an_address_in_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory");
    std::fs::write(&file, "# ours\nhttps://a.example:1 # the first\n\n[::1]:2\r\n").unwrap();
    let (_, addresses) = found(Bootstrap::default().file(&file)).await;
    assert_eq!(addresses, ["https://a.example:1", "http://[::1]:2"]);
}

#[tokio::test]
async fn srv_records_are_in_the_order_of_their_priorities() {
    let dns = super::dns::testing::Server::start(&[
        (20, 0, 1, "later.example."),
        (10, 0, 2, "b.example."),
        (10, 9, 3, "a.example."),
    ])
    .await;
    let bootstrap = Bootstrap::default().dns("_directory._tcp.example.").dns_server(dns.address());
    let mut heavy_first = 0;
    for _ in 0..20 {
        let (_, addresses) = found(bootstrap.clone()).await;
        assert_eq!(addresses[2], "http://later.example:1");
        heavy_first += usize::from(addresses[0] == "http://a.example:3");
    }
    assert!(heavy_first > 10, "a weight of 9 against 0 is first nearly always: {heavy_first}");
}

#[tokio::test]
async fn a_name_without_records_is_an_error() {
    let dns = super::dns::testing::Server::start(&[]).await;
    let bootstrap = Bootstrap::default().dns("_directory._tcp.example.").dns_server(dns.address());
    assert_eq!(bootstrap.find().await.unwrap_err().reason(), "dns");
}

#[test]
fn an_address_is_a_host_and_a_port_alone() {
    for bad in ["", "http://", "a:0", "a:70000", "http://u@a:1", "http://a:1/path", "a:1?x", "a b"]
    {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
    let address: Address = "https://a.example".parse().unwrap();
    assert_eq!(address.url("/x?y").unwrap(), "https://a.example/x?y");
}
