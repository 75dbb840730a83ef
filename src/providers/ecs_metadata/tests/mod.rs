//! The metadata provider against an instance that is a value, under a virtual clock.

mod world;

use std::time::Duration;

use self::world::World;
use super::*;
use crate::context::{HttpErrorKind, TestClock};
use crate::providers::scripted_http::{answer, broken, drive, session};

const OFF: &[(&str, HttpErrorKind)] = &[("", HttpErrorKind::ConnectTimeout)];

async fn error(provider: &EcsMetadataProvider) -> Error {
    let error = provider.provide_credentials().await.unwrap_err();
    assert_eq!(error.provider_name(), Some("ecs_ram_role"));
    assert!(!format!("{error:#} {error:?}").contains("fake"), "{error}");
    error
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_not_before_every_request() {
    let world = World::new();
    let provider = world.provider(&[]);
    let found = provider.provide_credentials().await.unwrap();
    assert_eq!((found.access_key_id(), found.provider_name()), ("STS.of-imm-role", "ecs_ram_role"));
    assert_eq!(provider.region_id().await.unwrap(), "cn-hangzhou");
    provider.provide_credentials().await.unwrap();
    assert_eq!(world.asked(0), "PUT role imm-role region-id imm-role");
}

#[tokio::test]
async fn the_metadata_service_is_never_asked_by_way_of_a_proxy_nor_without_bounds() {
    let world = World::new();
    world.provider(&[]).provide_credentials().await.unwrap();
    for (request, options) in world.http.seen() {
        assert_eq!(request.uri().host(), Some(HOST));
        assert!(!options.proxy && options.max_body == 16 * 1024, "{options:?}");
        assert!(options.timeout == Duration::from_secs(1) && options.connect_timeout <= options.timeout, "{options:?}");
    }
}

#[tokio::test]
async fn a_token_is_forgotten_shortly_before_its_end_by_either_clock() {
    for (pass, renewed) in [
        (Box::new(|clock: &TestClock| clock.advance(Duration::from_secs(21_539))) as Box<dyn Fn(&TestClock)>, false),
        (Box::new(|clock| clock.advance(Duration::from_secs(21_540))), true),
        (Box::new(|clock| clock.suspend(Duration::from_secs(21_540))), true),
        (Box::new(|clock| clock.step(21_540)), true),
        (Box::new(|clock| clock.step(-5)), true),
    ] {
        let world = World::new();
        let provider = world.provider(&[]).role_name("imm-role");
        provider.provide_credentials().await.unwrap();
        let before = world.count();
        pass(&world.clock);
        provider.provide_credentials().await.unwrap();
        assert_eq!(world.asked(before), if renewed { "PUT imm-role" } else { "imm-role" });
    }
}

#[tokio::test]
async fn a_token_that_dies_early_is_replaced_once() {
    let world = World::new();
    let provider = world.provider(&[]);
    provider.provide_credentials().await.unwrap();
    world.change(|instance| instance.token += 1);
    let before = world.count();
    provider.provide_credentials().await.unwrap();
    assert_eq!(world.asked(before), "imm-role PUT imm-role");

    world.change(|instance| instance.next = (0..3).map(|n| answer([401, 200, 401][n], "token-0")).collect());
    let before = world.count();
    let error = error(&provider).await;
    assert_eq!((error.http_status(), error.kind()), (Some(401), ErrorKind::Refused));
    assert_eq!(world.asked(before), "imm-role PUT imm-role", "no third attempt, and none without a token");
}

#[tokio::test]
async fn another_role_is_found_by_the_404_of_the_old_one() {
    let world = World::new();
    let provider = world.provider(&[]);
    provider.provide_credentials().await.unwrap();
    world.change(|instance| instance.role = Some("other-role"));
    let before = world.count();
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "STS.of-other-role");
    assert_eq!(world.asked(before), "imm-role role other-role");

    world.change(|instance| instance.role = None);
    assert_eq!(error(&provider).await.code(), Some("NoRamRole"));
    world.change(|instance| instance.role = Some("imm-role"));
    assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "STS.of-imm-role");
}

#[tokio::test]
async fn a_named_role_is_never_replaced_by_the_one_that_is_there() {
    let world = World::new();
    let variable = [("ALIBABA_CLOUD_ECS_METADATA", " imm-role ")];
    let provider = EcsMetadataProvider::new().context(world.context(&variable));
    assert!(provider.provide_credentials().await.is_ok());
    assert_eq!(world.asked(0), "PUT imm-role");
    let provider = EcsMetadataProvider::new().context(world.context(&variable)).role_name("named-in-code");
    let error = error(&provider).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("NoRamRole")));
    assert!(error.message().contains("named-in-code") && error.is_permanent());
}

#[tokio::test]
async fn a_name_that_is_no_roles_is_refused_wherever_it_comes_from() {
    let world = World::new();
    for name in ["a/b", "..", ".", "a b", "é", "a?b", "a%2fb", &"x".repeat(65)] {
        let given = error(&world.provider(&[]).role_name(name)).await;
        assert_eq!((given.kind(), given.code()), (ErrorKind::InvalidInput, Some("InvalidRoleName")), "{name}");
        let variable = EcsMetadataProvider::new().context(world.context(&[("ALIBABA_CLOUD_ECS_METADATA", name)]));
        let error = error(&variable).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("InvalidRoleName")), "{name}");
    }
    assert_eq!(world.count(), 0);
    world.change(|instance| instance.next = vec![answer(200, "t"), answer(200, "<html>fake-portal</html>")]);
    let portal = error(&world.provider(&[])).await;
    assert_eq!(portal.kind(), ErrorKind::InvalidResponse);
    assert!(is_role_name("a.b_C@d-9") && is_role_name(&"x".repeat(64)) && !is_role_name(""));
}

#[tokio::test]
async fn version_1_is_for_services_that_know_no_tokens() {
    for status in [404, 405] {
        let world = World::new();
        world.change(|instance| (instance.put, instance.hardened) = (status, false));
        let provider = world.provider(&[]);
        provider.provide_credentials().await.unwrap();
        assert_eq!(world.asked(0), "PUT role- PUT imm-role-");

        // Switched off, by either of two ways.
        for provider in [
            world.provider(&[]).disable_imds_v1(true),
            world.provider(&[("ALIBABA_CLOUD_IMDSV1_DISABLED", "TRUE")]).disable_imds_v1(false),
        ] {
            let before = world.count();
            assert_eq!(error(&provider).await.code(), Some("TokenUnsupported"));
            assert_eq!(world.asked(before), "PUT");
        }

        // Hardening is switched on: noticed at once.
        world.change(|instance| (instance.put, instance.hardened) = (200, true));
        let before = world.count();
        provider.provide_credentials().await.unwrap();
        assert_eq!(world.asked(before), "PUT imm-role");
    }
}

#[tokio::test]
async fn there_is_no_downgrade_after_a_refusal_a_timeout_or_a_granted_token() {
    for status in [400, 401, 403, 429, 500, 503, 301] {
        let world = World::new();
        world.change(|instance| (instance.put, instance.hardened) = (status, false));
        let provider = world.provider(&[]);
        assert_eq!(drive(&world.clock, error(&provider)).await.http_status(), Some(status));
        let asked = if [429, 500, 503].contains(&status) { "PUT PUT PUT" } else { "PUT" };
        assert_eq!(world.asked(0), asked, "{status}");
    }
    let world = World::new();
    world.change(|instance| instance.hardened = false);
    world.change(|instance| instance.next = (0..2).map(|_| broken(HttpErrorKind::Timeout)).collect());
    assert_eq!(error(&world.provider(&[])).await.kind(), ErrorKind::Unreachable);
    assert_eq!(world.asked(0), "PUT PUT");
    for status in [403, 500] {
        let world = World::new();
        world.change(|instance| instance.hardened = false);
        world.change(|instance| {
            instance.next = [answer(200, "token-0")].into_iter().chain((0..3).map(|_| answer(status, ""))).collect()
        });
        let provider = world.provider(&[]);
        assert_eq!(drive(&world.clock, error(&provider)).await.http_status(), Some(status));
        assert_eq!(world.asked(0), if status == 500 { "PUT role role role" } else { "PUT role" });
    }
}

#[tokio::test]
async fn a_service_that_takes_the_connection_and_is_silent_is_the_hop_limit() {
    let world = World::new();
    world.change(|instance| instance.unreachable = vec![("", HttpErrorKind::Timeout)]);
    let silent = error(&world.provider(&[])).await;
    assert_eq!((silent.kind(), silent.code()), (ErrorKind::Unreachable, Some("HopLimit")));
    assert!(silent.to_string().contains("hop limit") && silent.to_string().contains("HttpPutResponseHopLimit"));
    assert!(silent.remedy().unwrap().contains("RRSA"));
    // Nobody asked for it: passed over, and still said.
    let provider = EcsMetadataProvider::new().context(world.context(&[]));
    let passed_over = error(&provider).await;
    assert_eq!(passed_over.kind(), ErrorKind::NotConfigured);
    assert!(passed_over.to_string().contains("hop limit"), "{passed_over}");
    // No connection is something else.
    world.change(|instance| instance.unreachable = OFF.to_vec());
    assert!(!error(&world.provider(&[])).await.to_string().contains("hop limit"));
}

#[tokio::test]
async fn one_lost_packet_is_no_failure_and_two_are() {
    for kind in [HttpErrorKind::Timeout, HttpErrorKind::Other, HttpErrorKind::Connect] {
        let world = World::new();
        world.change(|instance| instance.next = vec![broken(kind)]);
        assert!(world.provider(&[]).provide_credentials().await.is_ok(), "{kind:?}");
        assert_eq!(world.asked(0), "PUT PUT role imm-role");
    }
    let world = World::new();
    world.change(|instance| {
        instance.next = vec![answer(200, "t"), broken(HttpErrorKind::Other), broken(HttpErrorKind::Other)]
    });
    assert_eq!(error(&world.provider(&[])).await.code(), Some("ConnectionBroken"));
    assert_eq!(world.asked(0), "PUT role role");
}

#[tokio::test]
async fn where_ipv4_cannot_connect_ipv6_is_tried_and_kept() {
    let world = World::new();
    world.change(|instance| instance.unreachable = vec![("100.", HttpErrorKind::Connect)]);
    let provider = world.provider(&[]);
    provider.provide_credentials().await.unwrap();
    assert_eq!(world.asked(0), "PUT PUT PUT6 role6 imm-role6");
    world.change(|instance| instance.unreachable = vec![("[fd00", HttpErrorKind::Connect)]);
    let before = world.count();
    provider.provide_credentials().await.unwrap();
    assert_eq!(world.asked(before), "imm-role6 imm-role6 imm-role");
    world.change(|instance| instance.unreachable = OFF.to_vec());
    let before = world.count();
    assert_eq!(error(&provider).await.kind(), ErrorKind::Unreachable);
    assert_eq!(world.count() - before, 3);
}

#[tokio::test]
async fn off_the_cloud_it_is_one_short_attempt_remembered_for_a_minute() {
    let world = World::new();
    world.change(|instance| instance.unreachable = OFF.to_vec());
    let context = world.context(&[]);
    for _ in 0..3 {
        let provider = EcsMetadataProvider::new().context(context.clone());
        let error = error(&provider).await;
        assert_eq!(error.kind(), ErrorKind::NotConfigured);
        assert!(error.message().contains(HOST), "{error}");
        assert_eq!(provider.region_id().await.unwrap_err().kind(), ErrorKind::NotConfigured);
    }
    assert_eq!(world.asked(0), "PUT");
    let (_, options) = &world.http.seen()[0];
    assert!(options.timeout <= Duration::from_millis(250) && options.connect_timeout < options.timeout);

    let provider = EcsMetadataProvider::new().context(context.clone());
    world.clock.advance(Duration::from_secs(59));
    error(&provider).await;
    assert_eq!(world.count(), 1);
    world.clock.suspend(Duration::from_secs(1));
    error(&provider).await;
    assert_eq!(world.count(), 2);
    // Who asks by name gets the whole effort at once, whatever is remembered.
    let asked = EcsMetadataProvider::new().required().context(context);
    assert_eq!(error(&asked).await.kind(), ErrorKind::Unreachable);
    assert_eq!(world.asked(2), "PUT PUT PUT6");
}

#[tokio::test]
async fn a_service_that_answers_the_probe_is_one_to_rely_on() {
    let world = World::new();
    let provider = EcsMetadataProvider::new().context(world.context(&[]));
    assert!(provider.provide_credentials().await.is_ok());
    world.clock.advance(Duration::from_secs(30_000));
    world.change(|instance| instance.unreachable = OFF.to_vec());
    let before = world.count();
    assert_eq!(error(&provider).await.kind(), ErrorKind::Unreachable, "an outage is no absence");
    assert_eq!(world.asked(before), "PUT PUT PUT6");
}

#[tokio::test]
async fn firmware_that_names_the_cloud_is_worth_the_whole_effort() {
    for (file, text, asked) in [
        ("product_name", "Alibaba Cloud ECS\n", "PUT PUT PUT6"),
        ("sys_vendor", "Alibaba Cloud\n", "PUT PUT PUT6"),
        ("sys_vendor", "QEMU\n", "PUT"),
    ] {
        let root = std::env::temp_dir().join(format!("dmi-{}-{file}-{}", std::process::id(), text.len()));
        let directory = root.join("sys/class/dmi/id");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file), text).unwrap();
        let world = World::new();
        world.change(|instance| instance.unreachable = OFF.to_vec());
        let provider = EcsMetadataProvider::new().context(world.context_at(&[], root.clone()));
        assert_eq!(error(&provider).await.kind(), ErrorKind::NotConfigured);
        assert_eq!(world.asked(0), asked, "{file}: {text}");
        std::fs::remove_dir_all(root).unwrap();
    }
}

#[tokio::test]
async fn what_answers_and_knows_no_role_is_not_configured_unless_it_was_asked_for() {
    let world = World::new();
    world.change(|instance| instance.role = None);
    let provider = EcsMetadataProvider::new().context(world.context(&[]));
    assert_eq!(error(&provider).await.kind(), ErrorKind::NotConfigured);
    assert_eq!(error(&world.provider(&[])).await.kind(), ErrorKind::Failed);
    // What answers anything else has failed, asked for or not.
    world.change(|instance| instance.put = 403);
    let provider = EcsMetadataProvider::new().context(world.context(&[]));
    assert_eq!(error(&provider).await.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn the_switch_turns_it_off_and_contradicts_code_aloud() {
    let world = World::new();
    let both = [("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"), ("ALIBABA_CLOUD_ECS_METADATA", "imm-role")];
    let context = world.context(&both);
    let provider = EcsMetadataProvider::new().context(context.clone());
    assert_eq!(error(&provider).await.kind(), ErrorKind::NotConfigured);
    for provider in [EcsMetadataProvider::new().required(), EcsMetadataProvider::new().role_name("r")] {
        let error = error(&provider.context(context.clone())).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("MetadataDisabled")));
        assert!(error.message().contains("ALIBABA_CLOUD_ECS_METADATA_DISABLED"));
    }
    assert_eq!(world.count(), 0);
    let blank = EcsMetadataProvider::new().role_name(" ").context(context);
    assert_eq!(error(&blank).await.kind(), ErrorKind::NotConfigured, "a blank name is none");
}

#[tokio::test]
async fn an_answer_without_code_or_expiration_is_an_error_and_no_panic() {
    for (from, to, what) in [
        ("\"Code\"", "\"Other\"", "Code"),
        ("\"Expiration\"", "\"Other\"", "Expiration"),
        ("\"SecurityToken\"", "\"Other\"", "SecurityToken"),
        ("\"Success\"", "\"Failed\"", "Failed"),
        ("2026-01-02T03:04:05Z", "soon", "RFC 3339"),
        ("}", "", "breaks off"),
    ] {
        let world = World::new();
        world.change(|instance| instance.credentials = Some(session("STS.fake").replace(from, to)));
        let error = error(&world.provider(&[])).await;
        assert!(error.message().contains(what) && error.kind() != ErrorKind::NotConfigured, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_asked_for_again() {
    let world = World::new();
    world.change(|instance| instance.credentials = Some("x".repeat(16 * 1024 + 1)));
    assert_eq!(error(&world.provider(&[])).await.kind(), ErrorKind::InvalidResponse);
    assert_eq!(world.asked(0), "PUT role imm-role");
    // Even from a stranger that nobody asked for, it is an answer.
    world.change(|instance| instance.next = vec![answer(200, "x".repeat(20_000))]);
    let provider = EcsMetadataProvider::new().context(world.context(&[]));
    assert_eq!(error(&provider).await.kind(), ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused() {
    for token in ["", "a\r\nx-evil: 1", "a b", "é"] {
        let world = World::new();
        world.change(|instance| instance.next = vec![answer(200, token)]);
        assert_eq!(error(&world.provider(&[])).await.kind(), ErrorKind::InvalidResponse);
        assert_eq!(world.asked(0), "PUT");
    }
}
