//! `whoami`.

use alibabacloud_emulator::Fault;

use crate::support::{CANARY, Cloud, IMM_ROLE, golden, run};

#[test]
fn the_key_of_a_user_is_called_by_its_arn() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&["whoami"])).clean();
    let out = ran.out.replace(&cloud.emulator.endpoint(), "http://STS");
    let lines: String =
        out.lines().filter(|line| !line.starts_with("latency")).map(|line| format!("{line}\n")).collect();
    golden("whoami-key.txt", &lines);
    let json = run(&mut cloud.alicred(&["whoami", "--json"])).clean().json();
    assert_eq!(json["account_id"], "1234567890123456");
    assert_eq!(json["sts_endpoint"], cloud.emulator.endpoint());
    assert_eq!(json["clock_error_seconds"], 0);
    assert!(json["latency_ms"].is_u64() && json.get("remaining_seconds").is_none());
}

#[test]
fn a_session_says_what_remains_of_it() {
    let cloud = Cloud::new();
    let command = |arguments: &[&str]| {
        let mut command = cloud.alicred(arguments);
        run(command.env("ALIBABA_CLOUD_ROLE_ARN", IMM_ROLE)).clean()
    };
    let json = command(&["whoami", "--json"]).json();
    let left = json["remaining_seconds"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&left), "{left}");
    assert!(json["arn"].as_str().unwrap().contains("imm-role"));
    let text = command(&["whoami"]).out;
    assert!(text.contains("ends      in ") && !text.contains("never"), "{text}");
}

#[test]
fn a_clock_that_is_off_is_measured_by_the_servers() {
    let cloud = Cloud::with(|emulator| emulator.clock_offset(120));
    let json = run(&mut cloud.alicred(&["whoami", "--json"])).clean().json();
    let error = json["clock_error_seconds"].as_i64().unwrap();
    assert!((118..=121).contains(&error), "{error}");
    let text = run(&mut cloud.alicred(&["whoami"])).clean().out;
    assert!(text.contains("s behind the server's; set it (NTP)"), "{text}");
}

#[test]
fn a_key_that_sts_refuses_is_an_error_with_its_code() {
    let cloud = Cloud::new();
    let ran = run(cloud.alicred(&["whoami"]).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY)).without_secrets();
    assert_eq!((ran.code, ran.out.as_str()), (77, ""));
    assert!(ran.err.contains("SignatureDoesNotMatch") && ran.err.contains("RequestId"), "{}", ran.err);
    cloud.emulator.fail_next("sts/GetCallerIdentity", Fault::new(503, "ServiceUnavailable").times(10));
    let ran = run(&mut cloud.alicred(&["whoami"])).without_secrets();
    assert_eq!(ran.code, 75, "{}", ran.err);
}
