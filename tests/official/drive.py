"""The official Python clients, unmodified, as witnesses.

`drive.py NAME` runs one witness: it asserts what was answered and ends with 0. `drive.py identity` prints who the default
chain is; `drive.py session` prints the keys of a session. The usual variables choose the credential; they are read
when the clients are imported, so every witness is a process of its own.
"""

import json
import os
import pathlib
import re
import sys

from clients import (
    ACCOUNT, AWKWARD, COMPACT, KEYS, OIDC_PROVIDER, ROLE, RUNTIME, SPACED, Credential, OpenApi, config, create,
    credential_models, failure, get, imm, imm_client, open_api, refused, role, same, session, sts, sts_client, whoami,
)

WITNESSES = {}


def witness(function):
    WITNESSES[function.__name__] = function
    return function


@witness
def tutorial():
    """The guide's program, step by step, and the values that the guide prints."""
    from alibabacloud_tea_console.client import Client as ConsoleClient
    from alibabacloud_tea_util.client import Client as UtilClient
    from alibabacloud_tea_util.models import RuntimeOptions as UtilRuntimeOptions

    client = imm_client(Credential())
    request = imm.CreateProjectRequest(project_name="testproject")
    answer = client.create_project_with_options(request, UtilRuntimeOptions())
    text = UtilClient.to_jsonstring(answer)
    ConsoleClient.log(text)
    printed = json.loads(text)
    same(printed["statusCode"], 200)
    project, headers = printed["body"]["Project"], printed["headers"]
    same(project["ProjectName"], "testproject")
    same((project["ServiceRole"], project["TemplateId"]), ("AliyunIMMDefaultRole", "Official:DefaultEmptyId"))
    same((project["EngineConcurrency"], project["ProjectQueriesPerSecond"]), (200, 200))
    same(project["DatasetMaxTotalFileSize"], 90000000000000000)
    same((project["DatasetMaxRelationCount"], project["DatasetMaxBindCount"]), (100000000000, 10))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+08:00", project["CreateTime"]), project["CreateTime"]
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", printed["body"]["RequestId"]), printed["body"]
    same(headers["x-acs-request-id"], printed["body"]["RequestId"])
    same((headers["content-length"], headers["content-type"]), ("602", "application/json;charset=utf-8"))


@witness
def project():
    """A project's life, with every text that is awkward to encode; a boolean and a JSON parameter on the way."""
    client, name = imm_client(), "p-python"
    tag = imm.CreateProjectRequestTag(key="k 1+*~", value=AWKWARD[:60])
    made = create(client, name, description=AWKWARD, tag=[tag], project_max_dataset_count=7)
    same((made.description, made.project_max_dataset_count), (AWKWARD, 7))
    same([(tag.tag_key, tag.tag_value) for tag in made.tags], [("k 1+*~", AWKWARD[:60])])
    refused(lambda: create(client, name), "ResourceAlreadyExists", 400)
    statistics = imm.GetProjectRequest(project_name=name, with_statistics=True)
    read = client.get_project_with_options(statistics, RUNTIME).body.project
    same((read.description, read.create_time, read.file_count), (AWKWARD, made.create_time, 0))
    new_text = AWKWARD[::-1]
    change = imm.UpdateProjectRequest(project_name=name, description=new_text)
    same(client.update_project_with_options(change, RUNTIME).body.project.description, new_text)
    same(get(client, name).project_max_dataset_count, 7)
    create(client, "p-python-2")
    page = imm.ListProjectsRequest(prefix="p-python", max_results=1)
    first = client.list_projects_with_options(page, RUNTIME).body
    page.next_token = first.next_token
    second = client.list_projects_with_options(page, RUNTIME).body
    same([p.project_name for p in first.projects + second.projects], ["p-python", "p-python-2"])
    assert not second.next_token, second.next_token
    for gone in ("p-python", "p-python-2"):
        client.delete_project_with_options(imm.DeleteProjectRequest(project_name=gone), RUNTIME)
    refused(lambda: get(client, name), "ResourceNotFound", 400)


@witness
def default_chain():
    """WHO and PROVIDER say whom the default chain has to find, and by which provider.

    SESSION asks for a session first; its keys go into the environment of this program, started anew.
    """
    if os.environ.pop("SESSION", None):
        names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        os.environ.update(zip((f"ALIBABA_CLOUD_{name}" for name in names), session().values()))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    credential = Credential()
    same(credential.get_credential().provider_name, os.environ["PROVIDER"])
    same(whoami(credential), os.environ["WHO"])
    same(create(imm_client(credential), os.environ["PROJECT"]).project_name, os.environ["PROJECT"])


@witness
def login():
    """What the default chain makes of the login in config.json: EXPECTED is the text of a refusal, or one of

    - `stored`: the session of the file; `own`: another one. The file stays as it is;
    - `written`: another one, which is in the file now, with the tokens that were there; `renewed`: with new ones.
    """
    file, expected = pathlib.Path.home() / ".aliyun" / "config.json", os.environ["EXPECTED"]

    def look():
        text = file.read_text(encoding="utf-8")
        profile = json.loads(text)["profiles"][0]
        return text, [profile[name] for name in ("access_key_id", "access_key_secret", "sts_token")], profile

    text, keys, profile = look()
    credential = Credential()
    if expected not in ("stored", "own", "written", "renewed"):
        assert expected in (told := failure(credential)), told
        same(look()[0], text)
        return
    found = credential.get_credential()
    given = [found.access_key_id, found.access_key_secret, found.security_token]
    same((found.provider_name, whoami(credential)), (os.environ["PROVIDER"], os.environ["WHO"]))
    text_now, keys_now, profile_now = look()
    same((given == keys, text_now == text, given == keys_now), {
        "stored": (True, True, True), "own": (False, True, False),
        "written": (False, False, True), "renewed": (False, False, True),
    }[expected])
    tokens = ("oauth_access_token", "oauth_refresh_token")
    same([profile.get(name) != profile_now.get(name) for name in tokens], [expected == "renewed"] * 2)


@witness
def ram_role_arn():
    same(whoami(role()), "assumed-role/imm-role/witness")
    partner = role(role_arn=f"{ACCOUNT}:role/partner-role", external_id="partner-42")
    same(whoami(partner), "assumed-role/partner-role/witness")
    same(whoami(role(sts_endpoint="sts-vpc.cn-hangzhou.aliyuncs.com")), "assumed-role/imm-role/witness")
    narrow = imm_client(role(policy=COMPACT))
    refused(lambda: get(narrow, "nowhere"), "ResourceNotFound", 400)
    refused(lambda: create(narrow, "forbidden"), "Forbidden.RAM", 403)
    for other, text in (("partner-role", "NoPermission"), ("nobody", "EntityNotExist.Role")):
        assert text in failure(role(role_arn=f"{ACCOUNT}:role/{other}")), other


@witness
def spaced_policy():
    """It signs a space as a plus sign, in version 1: the rule says %20, so this must not pass."""
    said = failure(role(policy=SPACED))
    assert "SignatureDoesNotMatch" in said, said


@witness
def explicit_sources():
    token = os.environ["TOKEN_FILE"]
    oidc = {"type": "oidc_role_arn", "role_arn": ROLE, "oidc_provider_arn": OIDC_PROVIDER, "oidc_token_file_path": token}
    pod = Credential(credential_models.Config(role_session_name="witness", **oidc))
    same(whoami(pod), "assumed-role/imm-role/witness")
    instance = Credential(credential_models.Config(type="ecs_ram_role", role_name="imm-role"))
    same(whoami(instance), "assumed-role/imm-role/i-emulator00000000001")
    uri = Credential(credential_models.Config(type="credentials_uri", credentials_uri="http://127.0.0.1/credentials"))
    same(whoami(uri), "assumed-role/imm-role/credentials-uri")
    keys = session()
    given = {"access_key_id": keys["id"], "access_key_secret": keys["secret"], "security_token": keys["token"]}
    same(whoami(Credential(credential_models.Config(type="sts", **given))), "assumed-role/imm-role/session")


@witness
def sts_version_3():
    """The STS client signs version 3: a policy with spaces passes; the OIDC call is not signed at all."""
    client = sts_client()
    asked = sts.AssumeRoleRequest(role_arn=ROLE, role_session_name="v3", policy=SPACED, duration_seconds=900)
    answer = client.assume_role_with_options(asked, RUNTIME).body
    same(answer.assumed_role_user.arn, f"{ROLE}/v3")
    keys = answer.credentials
    given = {"access_key_id": keys.access_key_id, "access_key_secret": keys.access_key_secret}
    narrow = imm_client(security_token=keys.security_token, **given)
    refused(lambda: create(narrow, "forbidden"), "Forbidden.RAM", 403)
    with open(os.environ["TOKEN_FILE"], encoding="utf-8") as file:
        pod = {"oidctoken": file.read(), "oidcprovider_arn": OIDC_PROVIDER, "role_session_name": "v3"}
    with_oidc = sts.AssumeRoleWithOIDCRequest(role_arn=ROLE, **pod)
    answer = client.assume_role_with_oidcwith_options(with_oidc, RUNTIME).body
    same(answer.assumed_role_user.arn, f"{ROLE}/v3")
    same(answer.oidctoken_info.subject, "system:serviceaccount:default:app")
    too_long = sts.AssumeRoleRequest(role_arn=f"{ACCOUNT}:role/short-role", role_session_name="v3", duration_seconds=7200)
    refused(lambda: client.assume_role_with_options(too_long, RUNTIME), "InvalidParameter.DurationSeconds", 400)


@witness
def version_1():
    """Parameters in the query of a GET, of a POST, in a form; the same text comes back."""
    client = OpenApi(config("imm.cn-hangzhou.aliyuncs.com", signature_algorithm="v2", **KEYS))
    for method, place in (("GET", "query"), ("POST", "query"), ("POST", "body")):
        call = {"action": "CreateProject", "version": "2020-09-30", "protocol": "HTTPS", "pathname": "/"}
        kind = {"auth_type": "AK", "style": "RPC", "req_body_type": "formData", "body_type": "json"}
        fields = {"ProjectName": f"p-v1-{method}-{place}", "Description": AWKWARD}
        request = open_api.OpenApiRequest(**{place: fields})
        answer = client.call_api(open_api.Params(method=method, **call, **kind), request, RUNTIME)
        same(answer["body"]["Project"]["Description"], AWKWARD)


@witness
def version_1_core():
    """The oldest client: an empty SignatureType, signed; parameters in the query and in a form with Content-MD5."""
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    client = AcsClient(*KEYS.values(), "cn-hangzhou")
    for method in ("GET", "POST"):
        request = CommonRequest(domain="sts.cn-hangzhou.aliyuncs.com", version="2015-04-01", action_name="AssumeRole")
        request.set_method(method)
        request.set_protocol_type("http")
        add = request.add_body_params if method == "POST" else request.add_query_param
        for name, value in (("RoleArn", ROLE), ("RoleSessionName", "core"), ("Policy", SPACED)):
            add(name, value)
        answer = json.loads(client.do_action_with_exception(request))
        same(answer["AssumedRoleUser"]["Arn"], f"{ROLE}/core")


@witness
def refusals():
    def call(key_id, secret, **token):
        return lambda: get(imm_client(access_key_id=key_id, access_key_secret=secret, **token), "nowhere")

    wrong = refused(call("emulator-ram-user", "wrong"), "SignatureDoesNotMatch", 400, "server StringToSign is [ACS3-HMAC-SHA256")
    assert "server CanonicalRequest is [POST" in wrong.message, wrong.message
    refused(call("emulator-nobody", "wrong"), "InvalidAccessKeyId.NotFound", 404)
    refused(call("emulator-disabled", "emulator-disabled-secret"), "InvalidAccessKeyId.Inactive", 400)
    keys = session()
    refused(call(keys["id"], keys["secret"]), "MissingSecurityToken", 400)
    refused(call(keys["id"], keys["secret"], security_token="nonsense"), "InvalidSecurityToken.Malformed", 400)
    reader = imm_client(access_key_id="emulator-reader", access_key_secret="emulator-reader-secret")
    denied = refused(lambda: create(reader, "forbidden"), "Forbidden.RAM", 403)
    same(denied.access_denied_detail["AuthAction"], "imm:CreateProject")
    root = sts_client(access_key_id="emulator-root", access_key_secret="emulator-root-secret")
    asked = sts.AssumeRoleRequest(role_arn=ROLE, role_session_name="root")
    refused(lambda: root.assume_role_with_options(asked, RUNTIME), "NoPermission", 403, "root accounts")


@witness
def retries():
    """One failure of each kind, as it is told and as it is lived through: a fresh nonce, and its headers signed."""
    from urllib.request import Request, urlopen

    from darabonba.policy.retry import RetryOptions

    condition = {"maxAttempts": 2, "errorCode": ["ServiceUnavailable", "Throttling.User"]}
    patient = imm_client(**KEYS, retry_options=RetryOptions({"retryable": True, "retryCondition": [condition]}))
    create(imm_client(), "p-retries")
    for status, code, headers in ((503, "ServiceUnavailable", {}), (429, "Throttling.User", {"x-acs-retry-after": "150"})):
        faults = json.dumps([{"route": "imm/GetProject", "status": status, "headers": headers}]).encode()
        add = Request("http://127.0.0.1/_emulator/faults", faults, method="POST")
        urlopen(add)
        told = refused(lambda: get(imm_client(), "p-retries"), code, status)
        same(getattr(told, "retry_after", None), 150 if headers else None)
        urlopen(add)
        same(get(patient, "p-retries").project_name, "p-retries")


def identity():
    try:
        credential = Credential()
        provider = credential.get_credential().provider_name
        return {"provider": provider, "arn": f"{ACCOUNT}:{whoami(credential)}"}
    except Exception as error:
        return {"message": str(error)}


if __name__ == "__main__":
    status, name = 1, sys.argv[1]
    try:
        if name in WITNESSES:
            WITNESSES[name]()
        else:
            print(json.dumps({"identity": identity, "session": session}[name]()))
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # The clients leave threads behind that never end.
