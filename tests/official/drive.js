// The official Node clients, unmodified, as witnesses. `node drive.js NAME` runs one: it asserts what was answered and ends
// with 0. `node drive.js identity` prints who the default chain is. There is no Node client of IMM: IMM is called through
// the generic call of openapi-core.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const { subscribe } = require('node:diagnostics_channel');
const { default: Credential, Config: CredentialConfig } = require('@alicloud/credentials');
const { default: OpenApi, $OpenApiUtil } = require('@alicloud/openapi-core');
const { default: Sts, AssumeRoleRequest, AssumeRoleWithOIDCRequest } = require('@alicloud/sts20150401');
const { RetryOptions, RuntimeOptions } = require('@darabonba/typescript');

const { env } = process;
const ACCOUNT = 'acs:ram::1234567890123456';
const ROLE = `${ACCOUNT}:role/imm-role`;
const OIDC_PROVIDER = `${ACCOUNT}:oidc-provider/ack-rrsa-test`;
const KEYS = { accessKeyId: 'emulator-ram-user', accessKeySecret: 'emulator-ram-user-secret' };
const AWKWARD = 'a b+c*d~e%f%20%2B&=?/#\'"()!,;:@$[]{}|\\^`<> 描述 é 😀\nsecond line\ttab';
const SPACED = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "imm:Get*", "Resource": "*"}]}';

const config = (host, given) => new $OpenApiUtil.Config({ endpoint: `${host}.cn-hangzhou.aliyuncs.com`, ...given });
const stsClient = (given = KEYS) => new Sts(config('sts', given));

// Calls an operation of IMM with its parameters in the query or, as `body`, in a form.
async function imm(given, action, fields, place = 'query') {
  const operation = { action, version: '2020-09-30', protocol: 'HTTPS', pathname: '/', method: 'POST' };
  const kind = { authType: 'AK', style: 'RPC', reqBodyType: 'formData', bodyType: 'json' };
  const request = new $OpenApiUtil.OpenApiRequest({ [place]: fields });
  const answer = await new OpenApi(config('imm', given))
    .callApi(new $OpenApiUtil.Params({ ...operation, ...kind }), request, new RuntimeOptions({}));
  return answer.body;
}

async function whoami(given) {
  const answer = await stsClient(given).getCallerIdentityWithOptions(new RuntimeOptions({}));
  return answer.body.arn.replace(`${ACCOUNT}:`, '');
}

async function refused(promise, code, status, text = '') {
  const error = await promise.then((answer) => assert.fail(`${JSON.stringify(answer)} instead of ${code}`), (e) => e);
  assert.strictEqual(error.code, code, error.stack);
  if (status) assert.strictEqual(error.statusCode, status);
  assert.ok(error.message.includes(text), error.message);
  return error;
}

const credential = (type, fields) => ({ credential: new Credential(new CredentialConfig({ type, ...fields })) });
const role = (fields) => credential('ram_role_arn', { ...KEYS, roleArn: ROLE, roleSessionName: 'witness', ...fields });

async function session() {
  const asked = new AssumeRoleRequest({ roleArn: ROLE, roleSessionName: 'session' });
  const { accessKeyId, accessKeySecret, securityToken } = (await stsClient().assumeRole(asked)).body.credentials;
  return { accessKeyId, accessKeySecret, securityToken };
}

const witnesses = {
  // A project's life with awkward text, in the query and in a form; the form's body comes in chunks, which the request's
  // own head says.
  async project() {
    const heads = [];
    subscribe('http.client.response.finish', ({ request }) => heads.push(request._header));
    for (const place of ['query', 'body']) {
      const ProjectName = `p-node-${place}`;
      const Tag = JSON.stringify([{ Key: 'k 1+*~', Value: AWKWARD.slice(0, 60) }]);
      const made = await imm(KEYS, 'CreateProject', { ProjectName, Description: AWKWARD, Tag }, place);
      assert.strictEqual(made.Project.Description, AWKWARD);
      assert.deepStrictEqual(made.Project.Tags, [{ TagKey: 'k 1+*~', TagValue: AWKWARD.slice(0, 60) }]);
      assert.match(heads.at(-1), place === 'body' ? /transfer-encoding: chunked/i : /content-length: 0/i);
      const Description = [...AWKWARD].reverse().join('');
      const changed = await imm(KEYS, 'UpdateProject', { ProjectName, Description }, place);
      assert.strictEqual(changed.Project.Description, Description);
      await refused(imm(KEYS, 'CreateProject', { ProjectName }, place), 'ResourceAlreadyExists', 400);
      const read = await imm(KEYS, 'GetProject', { ProjectName, WithStatistics: true }, place);
      assert.deepStrictEqual([read.Project.Description, read.Project.FileCount], [Description, 0]);
      await imm(KEYS, 'DeleteProject', { ProjectName }, place);
      await refused(imm(KEYS, 'GetProject', { ProjectName }, place), 'ResourceNotFound', 400);
    }
  },

  // WHO and PROVIDER say whom the default chain has to find, and by which provider. SESSION asks for a session first, and
  // puts its keys into the environment.
  async default_chain() {
    if (env.SESSION) {
      const keys = await session();
      env.ALIBABA_CLOUD_ACCESS_KEY_ID = keys.accessKeyId;
      env.ALIBABA_CLOUD_ACCESS_KEY_SECRET = keys.accessKeySecret;
      env.ALIBABA_CLOUD_SECURITY_TOKEN = keys.securityToken;
    }
    const found = new Credential();
    assert.strictEqual((await found.getCredential()).providerName, env.PROVIDER);
    assert.strictEqual(await whoami({ credential: found }), env.WHO);
    const made = await imm({ credential: found }, 'CreateProject', { ProjectName: env.PROJECT });
    assert.strictEqual(made.Project.ProjectName, env.PROJECT);
  },

  // What the default chain makes of the login in config.json: see `login` in drive.py.
  async login() {
    const file = `${env.HOME}/.aliyun/config.json`;
    const look = () => {
      const text = fs.readFileSync(file, 'utf8');
      const profile = JSON.parse(text).profiles[0];
      return { text, profile, keys: [profile.access_key_id, profile.access_key_secret, profile.sts_token] };
    };
    const before = look();
    const credential = new Credential();
    const outcomes = {
      stored: [true, true, true], own: [false, true, false], written: [false, false, true], renewed: [false, false, true],
    };
    if (!(env.EXPECTED in outcomes)) {
      await assert.rejects(credential.getCredential(), (error) => error.message.includes(env.EXPECTED));
      assert.strictEqual(look().text, before.text);
      return;
    }
    const found = await credential.getCredential();
    const given = JSON.stringify([found.accessKeyId, found.accessKeySecret, found.securityToken]);
    assert.deepStrictEqual([found.providerName, await whoami({ credential })], [env.PROVIDER, env.WHO]);
    const after = look();
    const is = ({ keys }) => given === JSON.stringify(keys);
    assert.deepStrictEqual([is(before), after.text === before.text, is(after)], outcomes[env.EXPECTED]);
    for (const token of ['oauth_access_token', 'oauth_refresh_token']) {
      assert.strictEqual(before.profile[token] !== after.profile[token], env.EXPECTED === 'renewed');
    }
  },

  // Version 1 with everything but the system parameters in a form; here a policy with spaces passes.
  async ram_role_arn() {
    assert.strictEqual(await whoami(role()), 'assumed-role/imm-role/witness');
    const partner = role({ roleArn: `${ACCOUNT}:role/partner-role`, externalId: 'partner-42' });
    assert.strictEqual(await whoami(partner), 'assumed-role/partner-role/witness');
    const narrow = role({ policy: SPACED });
    await refused(imm(narrow, 'GetProject', { ProjectName: 'nowhere' }), 'ResourceNotFound', 400);
    await refused(imm(narrow, 'CreateProject', { ProjectName: 'forbidden' }), 'Forbidden.RAM', 403);
    const denied = role({ roleArn: `${ACCOUNT}:role/denied-role` });
    await assert.rejects(denied.credential.getCredential(), /NoPermission/);
  },

  async explicit_sources() {
    const oidc = { roleArn: ROLE, oidcProviderArn: OIDC_PROVIDER, oidcTokenFilePath: env.TOKEN_FILE };
    const pod = credential('oidc_role_arn', { ...oidc, roleSessionName: 'witness' });
    assert.strictEqual(await whoami(pod), 'assumed-role/imm-role/witness');
    const instance = credential('ecs_ram_role', { roleName: 'imm-role' });
    assert.strictEqual(await whoami(instance), 'assumed-role/imm-role/i-emulator00000000001');
    const uri = credential('credentials_uri', { credentialsURI: 'http://127.0.0.1/credentials' });
    assert.strictEqual(await whoami(uri), 'assumed-role/imm-role/credentials-uri');
    assert.strictEqual(await whoami(credential('sts', await session())), 'assumed-role/imm-role/session');
  },

  async sts_version_3() {
    const asked = new AssumeRoleRequest({ roleArn: ROLE, roleSessionName: 'v3', policy: SPACED, durationSeconds: 900 });
    const { assumedRoleUser, credentials } = (await stsClient().assumeRole(asked)).body;
    assert.strictEqual(assumedRoleUser.arn, `${ROLE}/v3`);
    const { accessKeyId, accessKeySecret, securityToken } = credentials;
    const narrow = { accessKeyId, accessKeySecret, securityToken };
    await refused(imm(narrow, 'CreateProject', { ProjectName: 'forbidden' }), 'Forbidden.RAM', 403);
    const oidc = { roleArn: ROLE, OIDCProviderArn: OIDC_PROVIDER, OIDCToken: fs.readFileSync(env.TOKEN_FILE, 'utf8') };
    const withOidc = new AssumeRoleWithOIDCRequest({ ...oidc, roleSessionName: 'v3' });
    const answer = (await stsClient().assumeRoleWithOIDC(withOidc)).body;
    assert.strictEqual(answer.assumedRoleUser.arn, `${ROLE}/v3`);
  },

  // The oldest client: GET with everything in the query, POST with everything in a form.
  async version_1_core() {
    const Core = require('@alicloud/pop-core');
    const client = (endpoint, apiVersion) => new Core({ ...KEYS, endpoint, apiVersion });
    const [sts, project] = [
      client('https://sts.cn-hangzhou.aliyuncs.com', '2015-04-01'),
      client('https://imm.cn-hangzhou.aliyuncs.com', '2020-09-30'),
    ];
    for (const method of ['GET', 'POST']) {
      const asked = { RoleArn: ROLE, RoleSessionName: 'core', Policy: SPACED };
      const answer = await sts.request('AssumeRole', asked, { method });
      assert.strictEqual(answer.AssumedRoleUser.Arn, `${ROLE}/core`);
      const fields = { ProjectName: `p-core-${method}`, Description: AWKWARD };
      const made = await project.request('CreateProject', fields, { method });
      assert.strictEqual(made.Project.Description, AWKWARD);
    }
  },

  // One failure of each kind, as it is told and as it is lived through: a fresh nonce, and its headers signed.
  async retries() {
    const ProjectName = 'p-retries-node';
    const retryCondition = [{ maxAttempts: 2, exception: [], errorCode: ['ServiceUnavailable', 'Throttling.User'] }];
    const patient = { ...KEYS, retryOptions: new RetryOptions({ retryable: true, retryCondition }) };
    await imm(KEYS, 'CreateProject', { ProjectName });
    for (const [status, code, headers] of [[503, 'ServiceUnavailable', {}], [429, 'Throttling.User', { 'x-acs-retry-after': '150' }]]) {
      const body = JSON.stringify([{ route: 'imm/GetProject', status, headers }]);
      const add = () => fetch('http://127.0.0.1/_emulator/faults', { method: 'POST', body });
      await add();
      const told = await refused(imm(KEYS, 'GetProject', { ProjectName }), code, status);
      assert.strictEqual(told.retryAfter, 'x-acs-retry-after' in headers ? 150 : undefined);
      await add();
      assert.strictEqual((await imm(patient, 'GetProject', { ProjectName })).Project.ProjectName, ProjectName);
    }
  },

  async refusals() {
    const call = (accessKeyId, accessKeySecret, more = {}) =>
      imm({ accessKeyId, accessKeySecret, ...more }, 'GetProject', { ProjectName: 'nowhere' });
    await refused(call('emulator-ram-user', 'wrong'), 'SignatureDoesNotMatch', 400, 'server StringToSign is [ACS3-');
    await refused(call('emulator-nobody', 'wrong'), 'InvalidAccessKeyId.NotFound', 404);
    await refused(call('emulator-disabled', 'emulator-disabled-secret'), 'InvalidAccessKeyId.Inactive', 400);
    const keys = await session();
    await refused(call(keys.accessKeyId, keys.accessKeySecret), 'MissingSecurityToken', 400);
    const spoilt = call(keys.accessKeyId, keys.accessKeySecret, { securityToken: 'nonsense' });
    await refused(spoilt, 'InvalidSecurityToken.Malformed', 400);
    const reader = { accessKeyId: 'emulator-reader', accessKeySecret: 'emulator-reader-secret' };
    const denied = await refused(imm(reader, 'CreateProject', { ProjectName: 'forbidden' }), 'Forbidden.RAM', 403);
    assert.strictEqual(denied.accessDeniedDetail.AuthAction, 'imm:CreateProject');
  },
};

async function identity() {
  try {
    const found = new Credential();
    const { providerName } = await found.getCredential();
    return { provider: providerName, arn: `${ACCOUNT}:${await whoami({ credential: found })}` };
  } catch (error) {
    return { message: error.message };
  }
}

const name = process.argv[2];
const run = name === 'identity' ? identity().then((who) => console.log(JSON.stringify(who))) : witnesses[name]();
run.then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
