//! The project operations: answers, limits, paging, tags, regions.

use alibabacloud_emulator::Emulator;
use alibabacloud_emulator::account::READER;

use crate::support::{Answer, Request, emulator};

async fn create(emulator: &Emulator, name: &str) -> Answer {
    Request::imm("CreateProject").with("ProjectName", name).send(emulator).await
}

#[tokio::test]
async fn an_answer_has_the_captured_headers_in_the_captured_order() {
    let emulator = emulator().await;
    let answer = create(&emulator, "testproject").await;
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "date",
            "content-type",
            "content-length",
            "connection",
            "keep-alive",
            "access-control-allow-origin",
            "access-control-expose-headers",
            "x-acs-request-id",
            "x-acs-trace-id",
            "etag"
        ]
    );
    assert_eq!(answer.header("date"), "Fri, 02 Jan 2026 03:04:05 GMT");
    assert_eq!(answer.header("content-type"), "application/json;charset=utf-8");
    assert_eq!(answer.header("content-length"), "602");
    assert_eq!(answer.header("connection"), "keep-alive");
    assert_eq!(answer.header("keep-alive"), "timeout=25");
    assert_eq!(answer.header("x-acs-trace-id").len(), 32);
    assert_eq!(answer.header("etag").len(), 24);
    assert_eq!(answer.json()["RequestId"], answer.header("x-acs-request-id"));
    let project = &answer.json()["Project"];
    assert_eq!(project["CreateTime"], "2026-01-02T11:04:05.000000000+08:00");
    let nanos = project["UpdateTime"].as_str().unwrap().strip_prefix("2026-01-02T11:04:05.0000000").unwrap();
    assert!((24..96).contains(&nanos[..2].parse::<u32>().unwrap()), "{nanos}");
}

#[tokio::test]
async fn a_project_lives_from_create_to_delete() {
    let emulator = emulator().await;
    let named = |action: &str| Request::imm(action).with("ProjectName", "p");
    assert_eq!(named("GetProject").code(&emulator).await, "ResourceNotFound");
    let request = named("CreateProject").with("Description", "first").with("Tag", r#"[{"Key":"a","Value":"1"}]"#);
    assert_eq!(request.send(&emulator).await.status, 200);
    let answer = named("CreateProject").send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "ResourceAlreadyExists"));
    assert_eq!(answer.message(), "The specified resource project already exists.");

    // Only what is given changes, the form serves as well as the query, and the body may come in chunks.
    let mut request = named("UpdateProject").form("DatasetMaxBindCount=7&ServiceRole=My+Role");
    request.chunked = true;
    let project = request.send(&emulator).await.json()["Project"].clone();
    assert_eq!((&project["DatasetMaxBindCount"], &project["ServiceRole"]), (&7.into(), &"My Role".into()));
    assert_eq!((&project["Description"], &project["Tags"][0]["TagKey"]), (&"first".into(), &"a".into()));
    assert_eq!(project["DatasetMaxTotalFileSize"], 90_000_000_000_000_000_i64);

    let got = named("GetProject").with("WithStatistics", "True").send(&emulator).await.json()["Project"].clone();
    assert_eq!(got, project);
    let answer = named("DeleteProject").send(&emulator).await;
    assert_eq!(answer.json().as_object().unwrap().len(), 1);
    let answer = named("DeleteProject").send(&emulator).await;
    assert_eq!((answer.status, answer.message()), (400, "The specified resource project is not found.".into()));
    assert_eq!(named("UpdateProject").code(&emulator).await, "ResourceNotFound");
}

#[tokio::test]
async fn projects_belong_to_the_region_of_the_host() {
    let emulator = emulator().await;
    let create = |host: &str| Request::imm("CreateProject").with("ProjectName", "p").header("host", host);
    assert_eq!(create("imm.cn-shanghai.aliyuncs.com").send(&emulator).await.status, 200);
    assert_eq!(create("imm.cn-shanghai.aliyuncs.com").code(&emulator).await, "ResourceAlreadyExists");
    assert_eq!(create("imm.cn-hangzhou.aliyuncs.com").send(&emulator).await.status, 200);
    // Loopback hosts mean the default region.
    assert_eq!(create("http://127.0.0.1:1").code(&emulator).await, "ResourceAlreadyExists");
}

#[tokio::test]
async fn a_reader_reads_and_is_told_what_it_may_not_do() {
    let emulator = emulator().await;
    create(&emulator, "p").await;
    for action in ["GetProject", "ListProjects"] {
        assert_eq!(Request::imm(action).with("ProjectName", "p").key(READER).send(&emulator).await.status, 200);
    }
    for action in ["CreateProject", "UpdateProject", "DeleteProject"] {
        let answer = Request::imm(action).with("ProjectName", "p").key(READER).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "Forbidden.RAM"));
        assert_eq!(answer.message(), "User not authorized to operate on the specified APIs.");
        let detail = answer.json()["AccessDeniedDetail"].clone();
        assert_eq!(detail["AuthAction"], format!("imm:{action}"));
        assert_eq!(detail["AuthPrincipalType"], "SubUser");
        assert_eq!(detail["AuthPrincipalOwnerId"], "1234567890123456");
        assert_eq!(detail["PolicyType"], "AccountLevelIdentityBasedPolicy");
        assert_eq!(detail["NoPermissionType"], "ImplicitDeny");
    }
}

#[tokio::test]
async fn parameters_are_checked() {
    let emulator = emulator().await;
    let long = |count: usize| "a".repeat(count);
    for (name, value, code) in [
        ("ProjectName", String::new(), "InvalidArgument"),
        ("ProjectName", "1abc".into(), "InvalidArgument"),
        ("ProjectName", "a.b".into(), "InvalidArgument"),
        ("ProjectName", "项目".into(), "InvalidArgument"),
        ("ProjectName", long(129), "InvalidArgument"),
        ("Description", long(257), "InvalidArgument"),
        ("DatasetMaxBindCount", "0".into(), "InvalidArgument"),
        ("DatasetMaxBindCount", "11".into(), "LimitExceededError"),
        ("DatasetMaxBindCount", "ten".into(), "InvalidDatasetMaxBindCount"),
        ("ProjectMaxDatasetCount", "1000000001".into(), "LimitExceededError"),
        ("DatasetMaxTotalFileSize", "90000000000000001".into(), "LimitExceededError"),
        ("DatasetMaxTotalFileSize", "99999999999999999999".into(), "InvalidDatasetMaxTotalFileSize"),
        ("Tag", "[".into(), "InvalidJSON Array parsing error"),
        ("Tag", r#"{"Key":"a"}"#.into(), "InvalidJSON Array parsing error"),
        ("Tag", r#"[{"Key":""}]"#.into(), "InvalidArgument"),
    ] {
        let answer = Request::imm("CreateProject").with("ProjectName", "p").with(name, &value).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{name}={value}");
    }
    let answer = Request::imm("CreateProject").send(&emulator).await;
    assert_eq!(answer.message(), "The parameter ProjectName is required but not provided.");
    for (name, value, code) in [
        ("MaxResults", "201", "InvalidArgument"),
        ("MaxResults", "-1", "InvalidArgument"),
        ("MaxResults", "x", "InvalidMaxResults"),
        ("NextToken", "x", "InvalidArgument"),
        ("NextToken", "é", "InvalidArgument"),
        ("NextToken", "0123456789abcdef61", "InvalidArgument"),
        ("Prefix", &long(129), "InvalidArgument"),
        ("Tag", "x", "InvalidJSON Array parsing error"),
    ] {
        assert_eq!(Request::imm("ListProjects").with(name, value).code(&emulator).await, code, "{name}={value}");
    }
    create(&emulator, "p").await;
    let request = Request::imm("GetProject").with("ProjectName", "p").with("WithStatistics", "yes");
    assert_eq!(request.code(&emulator).await, "InvalidWithStatistics");
}

#[tokio::test]
async fn lists_are_in_order_of_name_and_paged_up_to_the_quota() {
    let emulator = emulator().await;
    for number in (0..100).rev() {
        assert_eq!(create(&emulator, &format!("p-{number:03}")).await.status, 200);
    }
    let answer = create(&emulator, "one-too-many").await;
    assert_eq!(
        (answer.code().as_str(), answer.message().as_str()),
        ("LimitExceededError", "resource count exceeds the limit")
    );

    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let request =
            Request::imm("ListProjects").with("MaxResults", "30").with("Prefix", "p-0").with("NextToken", &token);
        let json = request.send(&emulator).await.json();
        let page = json["Projects"].as_array().unwrap();
        assert!(page.len() <= 30);
        names.extend(page.iter().map(|project| project["ProjectName"].as_str().unwrap().to_owned()));
        token = json["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        // Bound to its region.
        let elsewhere =
            Request::imm("ListProjects").with("NextToken", &token).header("host", "imm.cn-shanghai.aliyuncs.com");
        assert_eq!(elsewhere.code(&emulator).await, "InvalidArgument");
    }
    assert_eq!(names, (0..100).map(|number| format!("p-{number:03}")).collect::<Vec<_>>());
    for max in ["0", "100", "200"] {
        let json = Request::imm("ListProjects").with("MaxResults", max).send(&emulator).await.json();
        assert_eq!(json["Projects"].as_array().unwrap().len(), 100);
        assert_eq!(json["NextToken"], "");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_tags() {
    let emulator = emulator().await;
    for (name, tags) in
        [("a", r#"[{"Key":"k","Value":"1"}]"#), ("b", r#"[{"Key":"k","Value":"2"},{"Key":"x"}]"#), ("c", "[]")]
    {
        let request = Request::imm("CreateProject").with("ProjectName", name).with("Tag", tags);
        assert_eq!(request.send(&emulator).await.status, 200);
    }
    for (filter, expected) in [
        (r#"[{"Key":"k"}]"#, vec!["a", "b"]),
        (r#"[{"Key":"k","Value":"2"}]"#, vec!["b"]),
        (r#"[{"Key":"k"},{"Key":"x","Value":""}]"#, vec!["b"]),
        (r#"[{"Key":"y"}]"#, vec![]),
        ("[]", vec!["a", "b", "c"]),
    ] {
        let json = Request::imm("ListProjects").with("Tag", filter).send(&emulator).await.json();
        let names: Vec<_> = json["Projects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|project| project["ProjectName"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_name_of_nearly_a_mebibyte_is_weighed_by_the_policy_first_and_answered() {
    let emulator = emulator().await;
    let pattern = format!("*{}b", "a".repeat(1_500));
    let form = format!("ProjectName={}", "a".repeat(1_000_000));
    let code = async |statements: String| {
        let policy = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
        let session = Request::assume("imm-role").with("Policy", &policy).send(&emulator).await.session();
        Request::imm("GetProject").form(&form).key(session).code(&emulator).await
    };
    let statement =
        |effect: &str, resource: &str| format!(r#"{{"Effect":"{effect}","Action":"*","Resource":"{resource}"}}"#);
    assert_eq!(code(statement("Allow", &pattern)).await, "Forbidden.RAM");
    let all_but = format!("{},{}", statement("Allow", "*"), statement("Deny", &pattern));
    assert_eq!(code(all_but).await, "InvalidArgument");
}

#[tokio::test]
async fn a_session_for_one_project_cannot_list_all_by_naming_it() {
    let emulator = emulator().await;
    let policy =
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"imm:*","Resource":"acs:imm:*:*:project/mine"}]}"#;
    let session = Request::assume("imm-role").with("Policy", policy).send(&emulator).await.session();
    let request = |action: &str| Request::imm(action).with("ProjectName", "mine").key(session.clone());
    assert_eq!(request("CreateProject").send(&emulator).await.status, 200);
    assert_eq!(request("ListProjects").code(&emulator).await, "Forbidden.RAM");
}
