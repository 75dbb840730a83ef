//! Where IMM's parameters go and what they may be: on the wire, and against the emulator.

use std::sync::{Arc, Mutex};

use alibabacloud_credentials::sign::acs3;
use alibabacloud_credentials::{
    BoxFuture, Context, Credentials, ErrorKind, HttpError, HttpSend, OpenApiClient, Refresher, SendOptions,
};
use alibabacloud_emulator::{Emulator, account};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

const IMM: &str = "2020-09-30";
const FORM: &str = "application/x-www-form-urlencoded";

/// Keeps every request, and answers that all is well.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<Request<Bytes>>>>);

impl HttpSend for Wire {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        self.0.lock().unwrap().push(request);
        Box::pin(std::future::ready(Ok(Response::new(Bytes::from_static(br#"{"RequestId":"R-1"}"#)))))
    }
}

impl Wire {
    fn client(&self, version: &str) -> OpenApiClient {
        let key = Credentials::new("STS.id", "a-secret").with_security_token("a-token");
        let context = Context::builder().env([("A", "b")]).http(self.clone()).build();
        OpenApiClient::new("imm.example.com", version, Refresher::builder(key).context(context).build())
    }

    fn sent(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Query and body of the one request that was sent, whose signature covers both.
    fn query_and_body(&self) -> (String, String) {
        let sent = self.sent();
        assert_eq!(sent.len(), 1);
        signature_holds(&sent[0]);
        let body = String::from_utf8(sent[0].body().to_vec()).unwrap();
        (sent[0].uri().query().unwrap_or_default().to_owned(), body)
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b'+' => panic!("a space is %20"),
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// Signs again what was received, from the list of headers that the request itself gives.
fn signature_holds(request: &Request<Bytes>) {
    let text = |name: &str| request.headers()[name].to_str().unwrap();
    let list = text("authorization").split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let headers: Vec<(&str, &str)> = list.split(';').map(|name| (name, text(name))).collect();
    let query: Vec<(String, String)> = request
        .uri()
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let payload = acs3::payload_sha256(request.body());
    assert_eq!(text("x-acs-content-sha256"), payload);
    assert_eq!(text("content-length"), request.body().len().to_string());
    let content_type = request.headers().get("content-type").map(|value| value.to_str().unwrap());
    assert_eq!(content_type, (!request.body().is_empty()).then_some(FORM));
    assert_eq!(list.split(';').any(|name| name == "content-type"), content_type.is_some());
    let again = acs3::Request { method: "POST", path: "/", query: &query, headers: &headers, payload_sha256: &payload };
    assert_eq!(text("authorization"), again.authorization("STS.id", "a-secret"));
}

// ---- placement

#[tokio::test]
async fn an_operation_of_the_form_sends_everything_in_the_body_signed() {
    let wire = Wire::default();
    let parameters = json!({"ProjectName": "p", "Cover": {"URI": "oss://b/a b+c*~.jpg"}, "StoryName": "中"});
    wire.client(IMM).call_json("UpdateStory", &parameters).await.unwrap();
    let (query, body) = wire.query_and_body();
    assert_eq!(query, "");
    let expected = "Cover=%7B%22URI%22%3A%22oss%3A%2F%2Fb%2Fa%20b%2Bc%2A~.jpg%22%7D&ProjectName=p&StoryName=%E4%B8%AD";
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_split_operation_sends_some_here_and_some_there_signed() {
    let wire = Wire::default();
    let parameters = [("ProjectName", "p"), ("Messages", "[]"), ("Files", "[{\"a\": 1}]")];
    wire.client(IMM).call("ContextualAnswer", parameters).await.unwrap();
    let (query, body) = wire.query_and_body();
    assert_eq!(query, "ProjectName=p");
    assert_eq!(body, "Messages=%5B%5D&Files=%5B%7B%22a%22%3A%201%7D%5D");
}

#[tokio::test]
async fn every_other_operation_has_an_empty_body() {
    let wire = Wire::default();
    for (version, action) in [(IMM, "CreateProject"), (IMM, "AnOperationOfNextYear"), ("2014-05-26", "CreateBatch")] {
        wire.client(version).call(action, [("Messages", "a b")]).await.unwrap();
        assert_eq!(wire.query_and_body(), ("Messages=a%20b".to_owned(), String::new()), "{version} {action}");
    }
    wire.client(IMM).call("CreateBatch", []).await.unwrap();
    assert_eq!(wire.query_and_body(), (String::new(), String::new()), "nothing to put anywhere");
}

#[tokio::test]
async fn a_credential_is_in_headers_alone_wherever_the_parameters_are() {
    let wire = Wire::default();
    wire.client(IMM).call("CreateBatch", [("ProjectName", "p")]).await.unwrap();
    let sent = wire.sent().remove(0);
    let text = format!("{} {}", sent.uri(), String::from_utf8_lossy(sent.body()));
    assert!(!text.contains("a-token") && !text.contains("a-secret") && !text.contains("STS.id"));
    assert_eq!(sent.headers()["x-acs-security-token"], "a-token");
}

// ---- what is refused before any request

#[tokio::test]
async fn parameters_too_long_for_a_url_are_an_error_that_says_so_and_a_form_takes_them() {
    let wire = Wire::default();
    let long = "x".repeat(70_000);
    let error = wire.client(IMM).call("SimpleQuery", [("Query", long.as_str())]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("TooLong")));
    let expected =
        "the parameters of SimpleQuery make a URL of 70031 bytes, and the longest that can be sent has 65534";
    assert_eq!(error.message(), expected);
    assert!(wire.sent().is_empty());
    let most = "x".repeat(65_534 - "https://imm.example.com/?Query=".len());
    wire.client(IMM).call("SimpleQuery", [("Query", most.as_str())]).await.unwrap();
    assert_eq!(wire.query_and_body().0.len(), "Query=".len() + most.len());
    wire.client(IMM).call("AddStoryFiles", [("Files", long.as_str())]).await.unwrap();
    assert_eq!(wire.query_and_body().1.len(), "Files=".len() + 70_000);
}

#[tokio::test]
async fn a_count_that_is_no_whole_number_and_a_list_in_place_of_a_text_make_no_request() {
    let wire = Wire::default();
    for (parameters, code) in [
        (json!({"DatasetMaxTotalFileSize": 9e16}), "InvalidParameter.DatasetMaxTotalFileSize"),
        (json!({"DatasetMaxTotalFileSize": 9_223_372_036_854_775_808_u64}), "InvalidParameter.DatasetMaxTotalFileSize"),
        (json!({"ProjectName": ["a", "b"]}), "InvalidParameter.ProjectName"),
    ] {
        let error = wire.client(IMM).call_json("CreateProject", &parameters).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some(code)));
    }
    assert!(wire.sent().is_empty());
}

// ---- against the emulator

#[tokio::test]
async fn a_project_lives_its_life_with_counts_beyond_what_floats_hold() {
    let emulator = Emulator::builder().start().await.unwrap();
    let key = Credentials::new(account::RAM_USER.id, account::RAM_USER.secret);
    let imm = OpenApiClient::new(emulator.endpoint(), IMM, key);
    let size = 9_007_199_254_740_993_i64; // 2^53 + 1
    let parameters = json!({
        "ProjectName": "p", "DatasetMaxTotalFileSize": size, "DatasetMaxBindCount": "7", "Description": null,
        "Tag": [{"Key": "stage", "Value": "a b"}],
    });
    let created = imm.call_json("CreateProject", &parameters).await.unwrap();
    assert_eq!(created.body()["Project"]["DatasetMaxTotalFileSize"], size);
    assert_eq!(created.body()["Project"]["DatasetMaxBindCount"], 7);
    let got = imm.call_json("GetProject", &json!({"ProjectName": "p", "WithStatistics": true})).await.unwrap();
    assert_eq!(got.body()["Project"]["Tags"], json!([{"TagKey": "stage", "TagValue": "a b"}]));
    let changes = json!({"ProjectName": "p", "Description": "new", "DatasetMaxFileCount": 5});
    let updated = imm.call_json("UpdateProject", &changes).await.unwrap();
    assert_eq!(updated.body()["Project"]["DatasetMaxFileCount"], 5);
    let listed = imm.call_json("ListProjects", &json!({"MaxResults": 10, "Prefix": "p"})).await.unwrap();
    assert_eq!(listed.body()["Projects"].as_array().unwrap().len(), 1);
    assert!(imm.call_json("DeleteProject", &json!({"ProjectName": "p"})).await.is_ok());
    assert_eq!(emulator.summary().rejected, 0);
}
