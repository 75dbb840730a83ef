//! `rediss://`, to a real server with a certificate of the test's own.

use std::path::Path;

use alibabacloud_credentials::{Error, SessionStore};
use alibabacloud_credentials_redis::RedisStore;
use alibabacloud_emulator::Emulator;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::{Redis, builder, free_port, replica, store};
use crate::{NAME, ids, is_absent};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server, and the URL at which it speaks TLS with a certificate for `name`.
async fn start(authority: &Authority, name: &str) -> Option<(Redis, String)> {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let file = |name: &str, content: String| -> String {
        let path: &Path = &folder.path().join(name);
        std::fs::write(path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("server.pem", certificate.pem()), file("server.key", key.serialize_pem()));
    let roots = file("roots.pem", authority.pem());
    let port = free_port().to_string();
    let arguments = [
        ["--tls-port", &port],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &roots],
        ["--tls-auth-clients", "no"],
    ];
    let redis = Redis::start(arguments.as_flattened()).await?;
    Some((redis, format!("rediss://127.0.0.1:{port}")))
}

fn trusting(url: &str, authority: &Authority) -> RedisStore {
    builder(url).root_certificates(authority.pem()).build().unwrap()
}

async fn refusal(store: RedisStore) -> String {
    let error: Error = store.load(NAME).await.unwrap_err();
    error.to_string()
}

#[tokio::test]
async fn replicas_share_sessions_by_tls_with_a_server_that_their_roots_vouch_for() {
    let authority = authority();
    let Some((redis, url)) = start(&authority, "127.0.0.1").await else { return };
    let emulator = Emulator::builder().start().await.unwrap();
    let [one, two] = [0, 1].map(|_| replica(&emulator, trusting(&url, &authority)));
    assert_eq!(ids(&one, 3).await, ids(&two, 3).await);
    assert_eq!(emulator.summary().sts.calls, 3);
    let names: Vec<String> =
        redis::cmd("KEYS").arg("*session:*").query_async(&mut redis.connection().await).await.unwrap();
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn a_server_that_the_roots_do_not_vouch_for_or_of_another_name_is_as_if_it_were_absent() {
    let (right, wrong) = (authority(), authority());
    let Some((_redis, url)) = start(&right, "127.0.0.1").await else { return };
    let Some((_other, of_another)) = start(&right, "redis.internal").await else { return };
    // The platform's roots do not know the authority either.
    for store in [trusting(&url, &wrong), store(&*url), trusting(&of_another, &right)] {
        let refusal = refusal(store.clone()).await;
        assert!(refusal.contains("TLS failed"), "{refusal}");
        let emulator = Emulator::builder().start().await.unwrap();
        ids(&replica(&emulator, store), 2).await;
        assert_eq!(emulator.summary().sts.calls, 2);
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_as_if_it_were_absent() {
    let Some(redis) = Redis::start(&[]).await else { return };
    is_absent(&format!("rediss://127.0.0.1:{}", redis.port)).await;
}

#[tokio::test]
async fn a_server_that_speaks_tls_alone_is_absent_for_a_plain_url() {
    let authority = authority();
    let Some((_redis, url)) = start(&authority, "127.0.0.1").await else { return };
    is_absent(&url.replace("rediss://", "redis://")).await;
}
