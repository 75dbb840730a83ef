//! Certificates of the tests.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A server's certificate and key, and the authority that vouches for it, as PEM.
pub(crate) struct Certified {
    pub(crate) roots: String,
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// A certificate for `hosts` from an authority of its own.
pub(crate) fn certified(hosts: &[&str]) -> Certified {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &authority).unwrap();
    Certified { roots: authority.pem(), chain: certificate.pem(), key: key.serialize_pem() }
}
