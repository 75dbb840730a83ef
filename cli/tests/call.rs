//! `call`.

use alibabacloud_emulator::{Fault, account};
use serde_json::Value;

use crate::support::{Cloud, Folder, IMM_ROLE, alicred, golden, run, run_with_input};

fn call<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["call"], arguments].concat()
}

#[test]
fn a_project_is_created_and_the_response_has_the_shape_of_the_guides_sample() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&call(&["imm", "CreateProject", "ProjectName=testproject"]))).clean();
    assert!(ran.out.starts_with("{\n    \"headers\": {\n"), "{}", ran.out);
    let json = ran.json();
    assert_eq!((&json["statusCode"], &json["body"]["Project"]["ProjectName"]), (&200.into(), &"testproject".into()));
    let one_line = run(&mut cloud.alicred(&call(&["imm", "GetProject", "ProjectName=testproject", "--json"]))).clean();
    assert_eq!(one_line.out.lines().count(), 1);
    let created = cloud.emulator.calls().into_iter().find(|call| call.action == "CreateProject").unwrap();
    assert_eq!(created.path_and_query, "/?ProjectName=testproject");
}

#[test]
fn values_come_from_files_standard_input_and_a_body() {
    let (cloud, folder) = (Cloud::new(), Folder::new("values"));
    let description = folder.file("description", "from a file\n");
    let argument = format!("Description=@{description}");
    let arguments = ["imm", "CreateProject", "ProjectName=@-", &argument];
    let ran = run_with_input(&mut cloud.alicred(&call(&arguments)), "piped\n").clean();
    let project = &ran.json()["body"]["Project"];
    assert_eq!((&project["ProjectName"], &project["Description"]), (&"piped".into(), &"from a file".into()));

    let body = r#"{"ProjectName": "of-a-body", "DatasetMaxBindCount": 5, "Tag": [{"Key": "a", "Value": "b"}]}"#;
    let body = folder.file("body.json", body);
    let ran = run(&mut cloud.alicred(&call(&["imm", "CreateProject", "--body-file", &body]))).clean();
    assert_eq!(ran.json()["body"]["Project"]["DatasetMaxBindCount"], 5);

    let twice = run(&mut cloud.alicred(&call(&["imm", "CreateProject", "--body-file", &body, "ProjectName=x"])));
    assert_eq!(twice.code, 64, "{twice:?}");
    let wrong = folder.file("wrong.json", "{\"a\": ");
    let wrong = run(&mut cloud.alicred(&call(&["imm", "CreateProject", "--body-file", &wrong])));
    assert_eq!(wrong.code, 65);
    assert!(wrong.err.contains("no JSON at line 1 column"), "{}", wrong.err);
}

#[test]
fn all_follows_the_pages_as_lines_of_json() {
    let cloud = Cloud::new();
    for number in 0..5 {
        let name = format!("ProjectName=p{number}");
        run(&mut cloud.alicred(&call(&["imm", "CreateProject", &name]))).clean();
    }
    let ran = run(&mut cloud.alicred(&call(&["imm", "ListProjects", "MaxResults=2", "--all"]))).clean();
    let pages: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sizes: Vec<usize> = pages.iter().map(|page| page["Projects"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn a_dry_run_shows_the_request_with_its_secrets_masked_and_sends_nothing() {
    let cloud = Cloud::new();
    let mut command = cloud.alicred(&call(&["imm", "CreateProject", "ProjectName=testproject", "--dry-run"]));
    let ran = run(command.env("ALIBABA_CLOUD_ROLE_ARN", IMM_ROLE)).clean();
    let actions: Vec<String> = cloud.emulator.calls().iter().map(|call| call.action.clone()).collect();
    assert_eq!(actions, ["AssumeRole"], "the credentials are real, and the call is not made");
    let changing =
        ["host:", "x-acs-accesskey-id:", "x-acs-date:", "x-acs-signature-nonce:", "user-agent:", "authorization:"];
    let fixed: String = ran
        .out
        .lines()
        .filter(|line| !changing.iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\n"))
        .collect();
    golden("call-dry-run.txt", &fixed.replace(&cloud.emulator.endpoint(), "http://IMM"));
    let authorization = ran.out.lines().find(|line| line.starts_with("authorization:")).unwrap();
    assert!(authorization.ends_with("Signature=***") && authorization.contains("Credential=STS."), "{authorization}");

    let mut command = cloud.alicred(&call(&["imm", "CreateBatch", "ProjectName=p", "--dry-run", "--json"]));
    let json = run(&mut command).clean().json();
    assert_eq!((&json["method"], &json["body"]), (&"POST".into(), &"ProjectName=p".into()));
}

#[test]
fn a_typing_error_is_found_before_anything_is_sent() {
    let cloud = Cloud::new();
    for (arguments, near) in [
        (["imm", "CreateProject", "ProjektName=x"], "ProjectName is meant?"),
        (["imm", "CreateProjekt", "ProjectName=x"], "CreateProject is meant?"),
        (["sts", "AssumeRole", "RoleARN=x"], "RoleArn is meant?"),
    ] {
        let ran = run(&mut cloud.alicred(&call(&arguments)));
        assert_eq!((ran.code, ran.out.as_str()), (64, ""));
        assert!(ran.err.contains(near), "{}", ran.err);
    }
    assert!(cloud.emulator.calls().is_empty());
    let ran = run(&mut cloud.alicred(&call(&["imm", "CreateProjekt", "ProjectName=x", "--unchecked"])));
    assert_ne!(ran.code, 64, "{ran:?}");
    assert_eq!(cloud.emulator.calls().len(), 1);
}

#[test]
fn another_product_is_called_by_its_version_and_where_it_is() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&call(&["sts", "GetCallerIdentity"]))).clean();
    assert_eq!(ran.json()["body"]["AccountId"], "1234567890123456");
    let ran = run(&mut cloud.alicred(&call(&["ecs", "DescribeRegions"])));
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("--api-version"), "{}", ran.err);

    let mut command = alicred(&call(&["ecs", "DescribeRegions", "--api-version", "2014-05-26", "--dry-run"]));
    command.envs(cloud.key()).env_remove("ALIBABA_CLOUD_ENDPOINT");
    let nowhere = run(&mut command);
    assert_eq!(nowhere.code, 64);
    assert!(nowhere.err.contains("--region"), "{}", nowhere.err);
    let somewhere = run(command.args(["--region", "cn-beijing"])).clean();
    assert!(somewhere.out.starts_with("POST https://ecs.cn-beijing.aliyuncs.com/\n"), "{}", somewhere.out);
}

#[test]
fn what_the_server_refuses_is_told_by_its_code() {
    let cloud = Cloud::new();
    let get = call(&["imm", "GetProject", "ProjectName=none"]);
    let missing = run(&mut cloud.alicred(&get));
    assert_eq!((missing.code, missing.out.as_str()), (65, ""), "{missing:?}");
    cloud.emulator.fail_next("imm/GetProject", Fault::new(503, "ServiceUnavailable").times(3));
    let down = run(&mut cloud.alicred(&get));
    assert_eq!(down.code, 75, "{down:?}");
    let mut command = cloud.alicred(&get);
    let reader = [account::READER.id, account::READER.secret];
    command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", reader[0]).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", reader[1]);
    assert_eq!(run(&mut command).code, 65);
    let create = call(&["imm", "CreateProject", "ProjectName=x"]);
    let mut command = cloud.alicred(&create);
    command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", reader[0]).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", reader[1]);
    let refused = run(&mut command);
    assert_eq!(refused.code, 77, "{refused:?}");
    assert!(refused.err.contains("RequestId") && !refused.err.contains(reader[1]), "{}", refused.err);
}
