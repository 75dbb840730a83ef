//! Sessions that carry what remains of them, settled by the crate itself: they come as AssumeRole's answers do.

use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Context, Credentials, Error, HttpError, HttpSend, ProvideCredentials,
    SendOptions, TestClock,
};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{Request, Response};

/// STS that answers with one session.
struct Sts(Response<Bytes>);

impl HttpSend for Sts {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// `session` as STS grants it when its own clock shows `issued`: what remains by then is Expiration - Date, less a second.
pub(crate) async fn dated(clock: &TestClock, session: &Credentials, issued: SystemTime) -> Result<Credentials, Error> {
    let lasts = session.expiration().unwrap().duration_since(issued).unwrap_or_default();
    answered(clock, session, Some(issued), lasts).await
}

/// `session` as STS answers with it when it was asked for one that lasts `asked`, with this `Date`, right or wrong.
pub(crate) async fn answered(
    clock: &TestClock,
    session: &Credentials,
    date: Option<SystemTime>,
    asked: Duration,
) -> Result<Credentials, Error> {
    let context = Context::builder()
        .env([("HOME", "/nowhere")])
        .clock(clock.clone())
        .http(Sts(granted(session, date)))
        .spawn(|task| drop(tokio::spawn(task)))
        .build();
    let role = AssumeRole::new("acs:ram::100:role/media")
        .session_name("test")
        .duration(asked.clamp(Duration::from_secs(900), Duration::from_secs(43_200)));
    let key = Credentials::new("fake-id", "fake-secret");
    let provider = AssumeRoleProvider::new(key, role).context(context).sts_endpoint("sts.test");
    provider.provide_credentials().await.map(|granted| granted.with_provider_name(session.provider_name()))
}

/// STS's answer, with a `Date` where `issued` says so.
pub(crate) fn granted(session: &Credentials, issued: Option<SystemTime>) -> Response<Bytes> {
    let end = DateTime::<Utc>::from(session.expiration().unwrap()).to_rfc3339_opts(SecondsFormat::Secs, true);
    let body = serde_json::json!({"RequestId": "R-1", "Credentials": {
        "AccessKeyId": session.access_key_id(),
        "AccessKeySecret": session.access_key_secret(),
        "SecurityToken": session.security_token(),
        "Expiration": end,
    }});
    let response = match issued.map(DateTime::<Utc>::from) {
        Some(date) => Response::builder().header("Date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        None => Response::builder(),
    };
    response.body(body.to_string().into()).unwrap()
}
