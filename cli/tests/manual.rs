//! `completions` and `man`.

use std::process::Command;

use crate::support::{Folder, alicred, run};

#[test]
fn each_shell_has_completions_and_those_that_are_here_read_them() {
    let folder = Folder::new("completions");
    for (shell, check) in
        [("bash", Some("-n")), ("zsh", Some("-n")), ("fish", Some("--no-execute")), ("powershell", None)]
    {
        let ran = run(&mut alicred(&["completions", shell])).clean();
        assert!(ran.out.contains("whoami") && ran.out.contains("show-secrets"), "{shell}");
        let file = folder.file(shell, &ran.out);
        let Some(check) = check else { continue };
        match Command::new(shell).args([check, &file]).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {output:?}"),
            Err(_) => eprintln!("{shell} is not installed"),
        }
    }
    assert_eq!(run(&mut alicred(&["completions", "tcsh"])).code, 64);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = Folder::new("man");
    let ran = run(&mut alicred(&["man"])).clean();
    assert!(ran.out.contains(".TH alicred 1") && ran.out.contains(".SH SUBCOMMANDS"), "{}", ran.out);
    run(&mut alicred(&["man", "--dir", folder.0.to_str().unwrap()])).clean();
    for page in ["alicred.1", "alicred-explain.1", "alicred-serve.1"] {
        let page = std::fs::read_to_string(folder.0.join(page)).unwrap();
        assert!(page.contains("alicred"));
    }
    let ran = run(&mut alicred(&["man", "--dir", "/dev/null/x"]));
    assert_eq!(ran.code, 74, "{ran:?}");
}
