//! reqsign on the chain.

#![cfg(feature = "reqsign")]
#![allow(clippy::unwrap_used)]

mod support;

use std::error::Error as _;
use std::time::Duration;

use alibabacloud_credentials::{Error, Refresher, provider_fn};
use alibabacloud_credentials_adapters::ReqsignCredentials;
use alibabacloud_emulator::{Fault, account};
use http::request::Parts;
use reqsign_aliyun_oss::{Credential, RequestSigner, SigningVersion};
use reqsign_core::{Context, ErrorKind, ProvideCredential, Signer};
use support::{Cloud, holds_no_secret};

fn signer(credentials: &ReqsignCredentials, version: SigningVersion) -> Signer<Credential> {
    let oss = RequestSigner::new("media").with_region("cn-hangzhou").with_signing_version(version);
    Signer::new(Context::new(), credentials.clone(), oss)
}

fn request() -> Parts {
    http::Request::get("https://media.oss-cn-hangzhou.aliyuncs.com/a").body(()).unwrap().into_parts().0
}

async fn signed(signer: &Signer<Credential>) -> Parts {
    let mut parts = request();
    signer.sign(&mut parts, None).await.unwrap();
    parts
}

fn is_signed_by(parts: &Parts, session: &alibabacloud_credentials::Credentials) -> bool {
    parts.headers["x-oss-security-token"] == session.security_token().unwrap()
        && parts.headers["authorization"].to_str().unwrap().contains(session.access_key_id())
}

#[tokio::test]
async fn signatures_go_on_over_two_renewals_by_every_version() {
    for version in [SigningVersion::V1, SigningVersion::V2, SigningVersion::V4] {
        // Below the two minutes for which a signer keeps nothing: it asks for every signature.
        let cloud = Cloud::with_sessions_of(100).await;
        let signer = signer(&ReqsignCredentials::new(&cloud.chain), version);
        for _ in 0..2 {
            let old = cloud.refresher().credentials().await.unwrap();
            cloud.age();
            assert!(is_signed_by(&signed(&signer).await, &old));
            cloud.renewed_since(old.generation()).await;
            let new = cloud.refresher().credentials().await.unwrap();
            assert!(is_signed_by(&signed(&signer).await, &new));
        }
        assert_eq!(cloud.count("AssumeRole", 200), 3);
    }
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let cloud = Cloud::with_sessions_of(100).await;
    let signer = signer(&ReqsignCredentials::new(&cloud.chain), SigningVersion::V4);
    let session = cloud.refresher().credentials().await.unwrap();
    cloud.break_sts();
    cloud.age();
    signed(&signer).await;
    cloud.degraded().await;
    for _ in 0..10 {
        assert!(is_signed_by(&signed(&signer).await, &session));
    }
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn the_session_in_the_refused_headers_is_given_up_and_no_other() {
    let cloud = Cloud::start().await;
    let credentials = ReqsignCredentials::new(&cloud.chain);
    let signer = signer(&credentials, SigningVersion::V4);
    let refused = signed(&signer).await;
    assert!(credentials.rejected(&refused.headers));
    let new = cloud.refresher().credentials().await.unwrap();
    assert!(!is_signed_by(&refused, &new));
    // The signer's cache knows nothing of it.
    assert!(!is_signed_by(&signed(&signer).await, &new));
    let signer = signer.with_credential_provider(credentials.clone());
    assert!(is_signed_by(&signed(&signer).await, &new));
    // Others that were refused with the old one meanwhile do not take the new one down.
    assert!(!credentials.rejected(&refused.headers));
    assert!(!credentials.rejected(&request().headers));
    assert_eq!(cloud.count("AssumeRole", 200), 2);
}

#[tokio::test]
async fn the_expiry_is_the_true_one_and_a_url_that_outlives_it_is_refused() {
    let cloud = Cloud::start().await;
    let credentials = ReqsignCredentials::new(&cloud.chain);
    let given = credentials.provide_credential(&Context::new()).await.unwrap().unwrap();
    let session = cloud.refresher().credentials().await.unwrap();
    assert_eq!(given.expires_in.unwrap().as_system_time(), session.expiration().unwrap());
    let signer = signer(&credentials, SigningVersion::V4);
    assert!(signer.sign(&mut request(), Some(Duration::from_secs(600))).await.is_ok());
    let error = signer.sign(&mut request(), Some(Duration::from_secs(7200))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CredentialInvalid);
}

#[tokio::test]
async fn a_source_that_has_nothing_is_an_error_and_never_none() {
    let none = Refresher::new(provider_fn("vault", || async { Err(Error::not_configured("VAULT_ADDR is unset")) }));
    let error = ReqsignCredentials::new(none).provide_credential(&Context::new()).await.unwrap_err();
    assert!(error.to_string().contains("VAULT_ADDR is unset"), "{error}");
    assert!(error.source().unwrap().downcast_ref::<Error>().is_some());
    assert!(!error.is_retryable());

    let cloud = Cloud::start().await;
    let credentials = ReqsignCredentials::new(&cloud.chain);
    cloud.refresher().credentials().await.unwrap();
    assert!(holds_no_secret(&format!("{credentials:?}"), cloud.refresher()));
}

#[tokio::test]
async fn an_outage_of_sts_is_worth_another_attempt_and_a_refusal_is_not() {
    for (status, code, expected) in
        [(503, "ServiceUnavailable", true), (500, "InternalError", true), (403, "NoPermission", false)]
    {
        let cloud = Cloud::start().await;
        cloud.emulator.fail_next("sts/AssumeRole", Fault::new(status, code).times(100));
        let credentials = ReqsignCredentials::new(&cloud.chain);
        let error = cloud.drive(credentials.provide_credential(&Context::new())).await.unwrap_err();
        assert_eq!(error.is_retryable(), expected, "{error}");
    }
}

#[tokio::test]
async fn oss_takes_what_it_signs_by_both_versions_and_sees_two_sessions() {
    for version in [SigningVersion::V1, SigningVersion::V4] {
        let cloud = Cloud::with_sessions_of(100).await;
        let oss = RequestSigner::new(account::BUCKET).with_region(account::BUCKET_REGION).with_signing_version(version);
        let signer = Signer::new(Context::new(), ReqsignCredentials::new(&cloud.chain), oss);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        // reqsign takes the bucket to be in the host, so the request is signed as such and sent here.
        let host = format!("{}.localhost:{}", account::BUCKET, cloud.emulator.http_addr().port());
        let put = async || {
            let request = http::Request::put(format!("http://{host}/films/a")).body(()).unwrap();
            let mut parts = request.into_parts().0;
            signer.sign(&mut parts, None).await.unwrap();
            let url = format!("{}/films/a", cloud.emulator.endpoint());
            let request = client.put(url).headers(parts.headers).header("host", &host).body("hello");
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(put().await, 200, "{:?}", cloud.oss_refusals());
        let before = cloud.refresher().generation();
        cloud.age();
        assert_eq!(put().await, 200);
        cloud.renewed_since(before).await;
        assert_eq!(put().await, 200, "{:?}", cloud.oss_refusals());
        assert_eq!(cloud.signers("PutObject").len(), 2);
    }
}
