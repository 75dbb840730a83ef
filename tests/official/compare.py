"""Asks three chains who they are in each environment, and judges the answers.

`compare.py ask MODE DIR` asks ours, Python's and Node's in the environments of environments.json that want the metadata
service in that mode, and leaves the answers in DIR; `compare.py judge DIR` compares them with what is expected.

An environment has a `name` and

- `with`: the `sets` that it begins with, and on top of them
- `env`; `files` of the home directory, text or JSON; `config`, the profiles of ~/.aliyun/config.json, the first the current
  one; `ini`, written under both names, since Python reads the one and Node the other;
- `identity`: whom all have to find, as the end of the ARN (`*` stands for anything), or `nobody`;
- `ours`, with `differences`, rows of docs/differences.md: what ours answers where it differs; `error CODE` for an error;
- `python` or `node`, with `because`: what one official client answers where the two disagree;
- `needs`: what our chain may still lack. While it says NotYetSupported, or what stands in `today`, the environment is
  pending: ours is not judged, the official clients are;
- `metadata`: `normal`, `hardened` or `off` (the default).

In values, {home}, {role}, {provider}, {token} (a file with an OIDC token), {token_text}, {sts_id}, {sts_secret} and
{sts_token} are replaced.
"""

import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNT = "acs:ram::1234567890123456:"
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "emulator-ram-user", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "emulator-ram-user-secret"}
COMMANDS = {
    "ours": [os.environ.get("OFFICIAL_IDENTITY", "")],
    "python": [sys.executable, str(HERE / "drive.py"), "identity"],
    "node": ["node", str(HERE / "drive.js"), "identity"],
}
PASSED_ON = ("PATH", "NODE_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
MEMBERS = {"name", "with", "env", "files", "config", "ini", "metadata", "needs", "today"}
MEMBERS |= {"identity", "ours", "differences", "python", "node", "because"}


def environments():
    listed = json.loads((HERE / "environments.json").read_text(encoding="utf-8"))
    for environment in listed["environments"]:
        parts = [listed["sets"][name] for name in environment.get("with", [])] + [environment]
        env, files = {}, {}
        for part in parts:
            env |= part.get("env", {})
            files |= part.get("files", {})
            if "config" in part:
                current = part["config"][0]["name"] if part["config"] else "default"
                files[".aliyun/config.json"] = {"current": current, "profiles": part["config"]}
            if "ini" in part:
                files |= {".alibabacloud/credentials": part["ini"], ".alibabacloud/credentials.ini": part["ini"]}
        yield {**environment, "env": env, "files": files}


def run(command, env):
    outside = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    fixed = {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env={**outside, **fixed, **env}, capture_output=True, text=True, timeout=60)
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"broken": f"{command[0]} printed {done.stdout!r} {done.stderr[-500:]!r}"}


def lay(environment, home, session):
    """Writes the files, and gives the variables."""
    token = home / "token"
    subprocess.run([os.environ["OFFICIAL_EMULATOR"], "token", "--out", str(token)], check=True)
    words = {"home": home, "role": f"{ACCOUNT}role/", "provider": f"{ACCOUNT}oidc-provider/ack-rrsa-test"}
    words |= {"token": token, "token_text": token.read_text().strip()}
    words |= {f"sts_{name}": value for name, value in session.items()}

    def fill(text):
        return re.sub(r"\{(\w+)\}", lambda found: str(words[found[1]]) if found[1] in words else found[0], text)

    for name, content in environment["files"].items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(content if isinstance(content, str) else json.dumps(content)), encoding="utf-8")
    return {"HOME": str(home), **{name: fill(value) for name, value in environment["env"].items()}}


def ask(mode, answers):
    session = run([sys.executable, str(HERE / "drive.py"), "session"], KEYS)
    with ThreadPoolExecutor(2) as pool:
        for environment in environments():
            if environment.get("metadata", "off") != mode:
                continue
            with tempfile.TemporaryDirectory() as home:
                env = lay(environment, pathlib.Path(home), session)
                asked = {who: pool.submit(run, command, env) for who, command in COMMANDS.items()}
                said = {who: answer.result() for who, answer in asked.items()}
            (pathlib.Path(answers) / f"{environment['name'].replace('/', ' ')}.json").write_text(json.dumps(said))


def shown(answer):
    if "arn" in answer:
        return answer["arn"].removeprefix(ACCOUNT)
    if "code" in answer:
        return f"error {answer['code'] or answer['kind']}"
    return "broken" if "broken" in answer else "nobody"


def fits(answer, expected):
    if expected == "nobody":
        return "arn" not in answer and "broken" not in answer
    return fnmatch.fnmatchcase(shown(answer), expected)


def rows():
    """The numbers of the rows of docs/differences.md."""
    text = (HERE.parent.parent / "docs" / "differences.md").read_text(encoding="utf-8")
    return {int(number) for number in re.findall(r"^\| *(\d+) *\|", text, re.MULTILINE)}


def faults(environment, said, known):
    """What is wrong with an environment, or with the answers in it."""
    if unknown := environment.keys() - MEMBERS:
        yield f"has unknown members {sorted(unknown)}"
    named = environment.get("differences", [])
    for row in named:
        if row not in known:
            yield f"names row {row}, and docs/differences.md has none of that number"
    if "ours" in environment and (not named or environment["ours"] == environment["identity"]):
        yield "has an answer of ours that does not differ, or differs without a row of docs/differences.md"
    if named and "ours" not in environment:
        yield "names a row and says no different answer of ours"
    apart = {"python", "node"} & environment.keys()
    if bool(apart) != ("because" in environment):
        yield "says that the official clients disagree without saying why, or why without saying that"
    for who in COMMANDS:
        expected = environment.get(who, environment["identity"])
        if not fits(said[who], expected):
            yield f"{who}: {shown(said[who])}, not {expected} ({json.dumps(said[who], ensure_ascii=False)})"


def is_pending(environment, ours):
    """Not looked for yet: the source is refused by its name, or, for metadata that nobody asked for, left alone."""
    lacking = ours.get("code") == "NotYetSupported" or "this version does not look further" in ours.get("message", "")
    return "needs" in environment and (lacking or shown(ours) == environment.get("today"))


def judge(answers):
    known, all_environments = rows(), list(environments())
    same = differ = pending = failed = 0
    for environment in all_environments:
        said = json.loads((pathlib.Path(answers) / f"{environment['name'].replace('/', ' ')}.json").read_text())
        waits = is_pending(environment, said["ours"])
        # While ours cannot say, the official clients still have to.
        found = [fault for fault in faults(environment, said, known) if not (waits and fault.startswith("ours:"))]
        if found:
            failed += 1
            word = "FAIL"
        elif waits:
            pending += 1
            word = "wait"
        elif "ours" in environment:
            differ += 1
            word = "row " + ", ".join(map(str, environment["differences"]))
        else:
            same += 1
            word = "same"
        ours = f"needs {environment['needs']}" if waits else shown(said["ours"])
        print(f"{word:<8} {environment['name']}: {ours}")
        for fault in found:
            print(f"         {fault}")
    names = {environment["name"] for environment in all_environments}
    if len(names) != len(all_environments):
        failed += 1
        print("two environments have the same name")
    total = len(all_environments)
    print(f"side-by-side: {total} environments, {same} the same, {differ} differ as documented, {pending} pending, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(*sys.argv[2:])
    else:
        sys.exit(judge(*sys.argv[2:]))
