//! The HTTP client: where it connects, by which proxy, and what it sends. Servers that misbehave are in
//! `hostile/`, certificates in `tls/`.

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, ErrorKind};
use tokio::net::TcpListener;

use crate::support::server::{Server, close};

fn chain(endpoint: &str, more: &[(&str, &str)]) -> DefaultCredentialChain {
    let mut env = vec![
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret"),
        ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint),
    ];
    env.extend(more);
    let role = AssumeRole::new("acs:ram::100:role/media");
    DefaultCredentialChain::builder().context(Context::builder().env(env).build()).assume_role(role).build()
}

#[tokio::test]
async fn nobody_listening_is_a_connection_that_could_not_be_made() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let chain = chain(&format!("http://{unused}"), &[]);
    let error = chain.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("ConnectFailed")), "{error}");
}

#[tokio::test]
async fn the_contexts_proxy_is_used_its_exceptions_are_kept_and_its_password_is_not_shown() {
    let mut server = Server::of(close("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    let proxy = format!("http://user:fake-proxy-pass@{}", server.address);
    let with = |more: &[(&str, &str)]| chain("sts.example.invalid", more);

    let error = with(&[("HTTPS_PROXY", &proxy)]).credentials().await.unwrap_err();
    assert!(server.head().await.starts_with("CONNECT sts.example.invalid:443 "));
    assert!(!format!("{error:#} {error:?}").contains("fake-proxy-pass"), "{error}");

    let error = with(&[("HTTPS_PROXY", &proxy), ("NO_PROXY", "example.invalid")]).credentials().await.unwrap_err();
    assert_eq!(error.code(), Some("ConnectFailed"), "a name that does not resolve, and no proxy: {error}");
    assert!(server.is_quiet());

    let error = with(&[("HTTPS_PROXY", "://fake-proxy-pass")]).credentials().await.unwrap_err();
    assert!(error.message().contains("HTTPS_PROXY") && !error.to_string().contains("fake-proxy-pass"), "{error}");
}

#[tokio::test]
async fn loopback_is_never_proxied() {
    let mut proxied = Server::of(close("")).await;
    let mut server = Server::of(close("HTTP/1.1 200 OK\r\n\r\n{}")).await;
    let proxy = format!("http://{}", proxied.address);
    let chain = chain(&format!("http://{}", server.address), &[("http_proxy", &proxy), ("ALL_PROXY", &proxy)]);
    assert_eq!(chain.credentials().await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert!(server.head().await.starts_with("POST /?"));
    assert!(proxied.is_quiet());
}

#[tokio::test]
async fn the_token_travels_in_a_header_and_never_in_the_url() {
    let mut server = Server::of(close("HTTP/1.1 200 OK\r\n\r\n{}")).await;
    let token = ("ALIBABA_CLOUD_SECURITY_TOKEN", "fake-token-0123456789");
    let chain = chain(&format!("http://{}", server.address), &[token]);
    assert!(chain.credentials().await.is_err());
    let head = server.head().await;
    let (line, headers) = head.split_once("\r\n").unwrap();
    assert!(!line.contains("fake-token") && !line.contains("Signature"), "{line}");
    for expected in [
        "x-acs-security-token: fake-token-0123456789",
        "authorization: ACS3-HMAC-SHA256 Credential=an-id,",
        "x-acs-action: AssumeRole",
        "content-length: 0",
        "accept: application/json",
        "user-agent: AlibabaCloud",
    ] {
        assert!(headers.contains(expected), "{expected} is missing in {headers}");
    }
}
