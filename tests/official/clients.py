"""The official Python clients, each with a key of the emulator's account, and how to assert what they answer."""

import json

from alibabacloud_credentials import models as credential_models
from alibabacloud_credentials.client import Client as Credential
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client as Imm
from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi import models as open_api
from alibabacloud_tea_openapi.client import Client as OpenApi
from darabonba.runtime import RuntimeOptions

ACCOUNT = "acs:ram::1234567890123456"
ROLE = f"{ACCOUNT}:role/imm-role"
OIDC_PROVIDER = f"{ACCOUNT}:oidc-provider/ack-rrsa-test"
KEYS = {"access_key_id": "emulator-ram-user", "access_key_secret": "emulator-ram-user-secret"}
AWKWARD = "a b+c*d~e%f%20%2B&=?/#'\"()!,;:@$[]{}|\\^`<> 描述 é 😀\nsecond line\ttab"
READ_ONLY = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "imm:Get*", "Resource": "*"}]}
COMPACT, SPACED = json.dumps(READ_ONLY, separators=(",", ":")), json.dumps(READ_ONLY)
RUNTIME = RuntimeOptions()


def same(answer, expected):
    assert answer == expected, f"{answer!r} is not {expected!r}"


def refused(call, code, status, text=""):
    try:
        answer = call()
    except Exception as error:
        same((getattr(error, "code", None), getattr(error, "status_code", None)), (code, status))
        assert text in str(error.message), error.message
        return error
    raise AssertionError(f"{answer} instead of {code}")


def config(host, credential=None, **options):
    result = open_api.Config(credential=credential, **options) if credential else open_api.Config(**options)
    result.endpoint = host
    return result


def imm_client(credential=None, **options):
    return Imm(config("imm.cn-hangzhou.aliyuncs.com", credential, **(options if credential or options else KEYS)))


def sts_client(credential=None, **options):
    return Sts(config("sts.cn-hangzhou.aliyuncs.com", credential, **(options if credential or options else KEYS)))


def whoami(credential=None, **options):
    return sts_client(credential, **options).get_caller_identity_with_options(RUNTIME).body.arn.removeprefix(ACCOUNT + ":")


def create(client, name, **fields):
    return client.create_project_with_options(imm.CreateProjectRequest(project_name=name, **fields), RUNTIME).body.project


def get(client, name):
    return client.get_project_with_options(imm.GetProjectRequest(project_name=name), RUNTIME).body.project


def role(**options):
    given = {"type": "ram_role_arn", **KEYS, "role_arn": ROLE, "role_session_name": "witness", **options}
    return Credential(credential_models.Config(**given))


def failure(credential):
    try:
        found = credential.get_credential()
    except Exception as error:
        return str(error)
    raise AssertionError(f"{found.get_provider_name()} instead of a refusal")


def session():
    asked = sts.AssumeRoleRequest(role_arn=ROLE, role_session_name="session")
    keys = sts_client().assume_role_with_options(asked, RUNTIME).body.credentials
    return {"id": keys.access_key_id, "secret": keys.access_key_secret, "token": keys.security_token}
