//! OAuth's hosts as the program reaches them: over HTTPS with a certificate of the tests, through a proxy that leads to the emulator.
//! And a browser.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::tls::{Certified, certified};
use super::{Cloud, Folder, alicred};

const HOSTS: [&str; 2] = ["oauth.aliyun.com", "oauth.alibabacloud.com"];

/// An emulated cloud with OAuth, and a home directory.
pub(crate) struct OAuth {
    pub(crate) cloud: Cloud,
    pub(crate) home: Folder,
    proxy: SocketAddr,
}

impl OAuth {
    pub(crate) fn new(name: &str) -> Self {
        let Certified { roots, chain, key } = certified(&HOSTS);
        let cloud = Cloud::with(|builder| {
            builder.device_interval(1).https((Ipv4Addr::LOCALHOST, 0).into(), chain.into_bytes(), key.into_bytes())
        });
        let home = Folder::new(name);
        home.file("roots.pem", &roots);
        let proxy = proxy(cloud.emulator.https_addr().unwrap());
        Self { cloud, home, proxy }
    }

    /// The program, without any credentials.
    pub(crate) fn alicred(&self, arguments: &[&str]) -> Command {
        let mut command = alicred(arguments);
        command.env("HOME", &self.home.0).env("SSL_CERT_FILE", self.home.0.join("roots.pem"));
        command.env("HTTPS_PROXY", format!("http://{}", self.proxy)).env("XDG_CACHE_HOME", self.home.0.join("cache"));
        command
    }

    pub(crate) fn config(&self) -> String {
        std::fs::read_to_string(self.home.0.join(".aliyun/config.json")).unwrap_or_default()
    }

    /// The tokens and secrets that config.json has: nobody may see them.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let config: serde_json::Value = serde_json::from_str(&self.config()).unwrap();
        let names = ["access_token", "oauth_access_token", "oauth_refresh_token", "access_key_secret", "sts_token"];
        let profiles = config["profiles"].as_array().unwrap().iter();
        let values =
            profiles.flat_map(|profile| names.map(|name| profile[name].as_str().unwrap_or_default().to_owned()));
        values.filter(|value| !value.is_empty()).collect()
    }

    /// Opens a page of the emulator's, and returns the address that the browser is sent on to.
    pub(crate) fn open(&self, url: &str) -> Option<String> {
        let path = url.split_once("://").unwrap().1;
        let answer = get(self.cloud.emulator.http_addr(), &path[path.find('/').unwrap()..]);
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        location.map(str::to_owned)
    }

    /// Opens the page, and goes where it leads.
    pub(crate) fn browse(&self, url: &str) -> String {
        let back = self.open(url).unwrap();
        let (authority, path) = back.strip_prefix("http://").unwrap().split_once('/').unwrap();
        get(authority.parse().unwrap(), &format!("/{path}"))
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A proxy that leads to one server, whatever it is asked for.
fn proxy(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || tunnel(stream, to));
        }
    });
    address
}

fn tunnel(mut client: TcpStream, to: SocketAddr) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    assert!(HOSTS.iter().any(|host| head.starts_with(format!("CONNECT {host}:443 ").as_bytes())));
    let mut server = TcpStream::connect(to).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut back) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Write);
    Some(())
}
