//! Trust in both directions: certificates of every kind against a real nginx; each refusal is one
//! line with its cause and its fix.

use crate::support::certificates::{Certificates, Kind, Leaf, NAMED};
use crate::support::nginx::Nginx;
use crate::support::run::{Finished, Run};

/// A short run with these arguments.
fn run(args: &str, url: &str) -> Finished {
    Run::json(&format!("--warmup 0s -n 100 -c 4 {args} {url}")).finish()
}

/// Checks that it ran, and that every request succeeded.
fn all_ok(finished: Finished) -> Finished {
    let finished = finished.expect_code(0);
    finished.document().expect_only(&["ok"]);
    finished
}

/// Checks that it did not start, with a line that contains these parts.
fn refused(finished: Finished, parts: &[&str]) {
    let finished = finished.expect_code(1);
    finished.expect_line(parts);
    assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
    assert!(finished.files("run.json").is_empty(), "nothing to store\n{finished}");
}

/// The options `--cert` and `--key`.
fn shows(leaf: &Leaf) -> String {
    format!("--cert {} --key {}", leaf.certificate.display(), leaf.key.display())
}

#[test]
fn a_certificate_that_nothing_is_wrong_with_is_trusted_only_by_its_authority() {
    const TEST: &str = "a_certificate_that_nothing_is_wrong_with_is_trusted_only_by_its_authority";
    let certificates = Certificates::make();
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), "") else { return };
    let url = nginx.https("small");
    let trusted = format!("--cacert {}", certificates.authority().display());
    all_ok(run(&trusted, &url));
    refused(run("", &url), &["an authority that this machine trusts", "--cacert", "-k"]);
    let distrusted = format!("--cacert {}", certificates.other_authority().display());
    refused(run(&distrusted, &url), &["an authority that this machine trusts", "--cacert", "-k"]);
    // An authority that is created again has the same name, but another key.
    let again = Certificates::make();
    let distrusted = format!("--cacert {}", again.authority().display());
    refused(run(&distrusted, &url), &["signed with another key", "--cacert", "-k"]);
}

#[test]
fn whatever_is_wrong_with_a_certificate_is_named_and_can_be_passed_over() {
    const TEST: &str = "whatever_is_wrong_with_a_certificate_is_named_and_can_be_passed_over";
    let certificates = Certificates::make();
    let trusted = format!("--cacert {}", certificates.authority().display());
    for (kind, parts) in [
        (Kind::Expired, ["has expired", "renew it"]),
        (Kind::NotYetValid, ["is not valid yet", "clock"]),
        (Kind::Named, ["is for another name", "--connect-to"]),
        (Kind::UnknownAuthority, ["an authority that this machine trusts", "--cacert"]),
        (Kind::SelfSigned, ["an authority that this machine trusts", "--cacert"]),
    ] {
        let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(kind), "") else { return };
        for version in ["1.2", "1.3"] {
            let args = format!("{trusted} --tls {version}");
            refused(run(&args, &nginx.https("small")), &[parts[0], parts[1], "-k"]);
            let passed = all_ok(run(&format!("-k --tls {version}"), &nginx.https("small")));
            let document = passed.document();
            document.expect(document.at("plan.tls.verify") == false, "it says so");
        }
    }
}

#[test]
fn a_certificate_that_vouches_for_itself_can_be_trusted_by_itself() {
    const TEST: &str = "a_certificate_that_vouches_for_itself_can_be_trusted_by_itself";
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::SelfSigned);
    let Some(nginx) = Nginx::start_tls(TEST, &shown, "") else { return };
    let trusted = format!("--cacert {}", shown.certificate.display());
    all_ok(run(&trusted, &nginx.https("small")));
}

/// Keys and certificates that none of our libraries makes, with the arguments of `openssl req`, the
/// message of the refusal without `-k`, and the versions in which `-k` accepts them. `openssl req
/// -x509` makes certificates of authorities.
///
/// TLS 1.2 accepts P-521 and Ed448 only from peers that also support them for the key exchange or
/// the cipher's signature, which the library does not.
const ODD: [(&str, &str, &[&str]); 6] = [
    ("-newkey rsa:1024", AUTHORITY, &["1.2", "1.3"]),
    ("-newkey ec -pkeyopt ec_paramgen_curve:secp521r1", UNSUPPORTED, &["1.3"]),
    ("-newkey ed448", UNSUPPORTED, &["1.3"]),
    ("-newkey rsa:2048 -sha1", AUTHORITY, &["1.2", "1.3"]),
    ("-newkey rsa:2048 -version1", "version 1", &["1.2", "1.3"]),
    (
        "-newkey rsa:2048 -addext 1.2.3.4=critical,ASN1:UTF8String:x \
         -addext basicConstraints=CA:FALSE",
        "has a critical extension that uringbench does not know",
        &["1.2", "1.3"],
    ),
];
const AUTHORITY: &str = "is that of an authority";
/// Without `-k` the client does not offer the kinds of key that it cannot check, and the server
/// ends TLS; so it does in TLS 1.2 without the elliptic curve of the key.
const UNSUPPORTED: &str = "P-521 and Ed448 work with -k and TLS 1.3 only";
/// Allows OpenSSL, on the other side, to use weak keys.
const WEAK: &str = "ssl_ciphers DEFAULT:@SECLEVEL=0;";

#[test]
fn with_k_nothing_in_a_certificate_is_looked_at() {
    const TEST: &str = "with_k_nothing_in_a_certificate_is_looked_at";
    let certificates = Certificates::make();
    for (how, refusal, versions) in ODD {
        let shown = certificates.by_openssl(how, "/CN=127.0.0.1");
        let Some(nginx) = Nginx::start_tls(TEST, &shown, WEAK) else { return };
        for version in ["1.2", "1.3"] {
            let finished = run(&format!("-k --tls {version}"), &nginx.https("small"));
            if versions.contains(&version) {
                all_ok(finished);
            } else {
                refused(finished, &["the TLS library", UNSUPPORTED]);
            }
        }
        refused(run("", &nginx.https("small")), &[refusal]);
    }
}

#[test]
fn an_authority_s_own_certificate_is_taken_where_it_is_the_one_named() {
    const TEST: &str = "an_authority_s_own_certificate_is_taken_where_it_is_the_one_named";
    let certificates = Certificates::make();
    let with_name = "-newkey rsa:2048 -addext subjectAltName=IP:127.0.0.1";
    let shown = certificates.by_openssl(with_name, "/CN=any");
    let Some(nginx) = Nginx::start_tls(TEST, &shown, "") else { return };
    let trusted = format!("--cacert {}", shown.certificate.display());
    for version in ["1.2", "1.3"] {
        all_ok(run(&format!("{trusted} --tls {version}"), &nginx.https("small")));
    }
    // Self-signed or not, a certificate is only valid for a name that it contains.
    let elsewhere = format!("{trusted} --connect-to {}", nginx.tls());
    refused(run(&elsewhere, &format!("https://{NAMED}/small")), &["is for another name"]);
    let nameless = "-newkey rsa:2048 -addext basicConstraints=critical,CA:FALSE";
    let shown = certificates.by_openssl(nameless, "/CN=127.0.0.1");
    let Some(nginx) = Nginx::start_tls(TEST, &shown, "") else { return };
    let trusted = format!("--cacert {}", shown.certificate.display());
    refused(run(&trusted, &nginx.https("small")), &["subjectAltName", "-k"]);
}

#[test]
fn a_certificate_not_checked_is_told_in_the_report() {
    const TEST: &str = "a_certificate_not_checked_is_told_in_the_report";
    let certificates = Certificates::make();
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), "") else { return };
    let args = format!("-q --warmup 0s -n 100 -c 4 -k {}", nginx.https("small"));
    let finished = Run::text(&args).finish().expect_code(0);
    assert!(finished.stdout.contains("certificate not checked"), "{finished}");
    let authority = certificates.authority().display();
    let url = nginx.https("small");
    let args = format!("-q --warmup 0s -n 100 -c 4 --cacert {authority} {url}");
    let finished = Run::text(&args).finish().expect_code(0);
    assert!(!finished.stdout.contains("not checked"), "{finished}");
    assert!(finished.stdout.contains("TLS handshake"), "{finished}");
}

#[test]
fn the_name_is_checked_wherever_the_connection_goes() {
    const TEST: &str = "the_name_is_checked_wherever_the_connection_goes";
    let certificates = Certificates::make();
    let trusted = format!("--cacert {}", certificates.authority().display());
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), "") else { return };
    // The certificate is valid for the address connected to, but not for the host in the URL.
    let args = format!("{trusted} --connect-to {}", nginx.tls());
    refused(run(&args, &format!("https://{NAMED}/small")), &["is for another name"]);
}

#[test]
fn a_client_shows_its_certificate_when_asked() {
    const TEST: &str = "a_client_shows_its_certificate_when_asked";
    let certificates = Certificates::make();
    let server = format!(
        "ssl_verify_client on; ssl_client_certificate {};",
        certificates.authority().display()
    );
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), &server) else {
        return;
    };
    let trusted = format!("--cacert {}", certificates.authority().display());
    let ours = shows(&certificates.leaf(Kind::Client));
    let foreign = shows(&certificates.leaf(Kind::ForeignClient));
    for version in ["1.2", "1.3"] {
        let args = format!("{trusted} --tls {version}");
        let document = all_ok(run(&format!("{args} {ours}"), &nginx.https("small"))).document();
        document.expect(document.at("plan.tls.client_certificate") == true, "it says so");
        // Reconnects send it again, or resume a session that includes it.
        let again = format!("{args} {ours} --requests-per-connection 2");
        all_ok(run(&again, &nginx.https("small")));
        // nginx accepts every handshake, and refuses the request.
        for (shown, question) in [("", "(--cert, --key)"), (&foreign, "the certificate of --cert")]
        {
            let finished = run(&format!("{args} {shown}"), &nginx.https("small")).expect_code(0);
            let document = finished.document();
            document.expect_only(&["status"]);
            document.expect(document.status(400) == 100, "nginx answers 400");
            let reasons = document.at("verdict.reasons").to_string();
            document.expect(reasons.contains(question), "what may be wrong is asked");
        }
    }
}

#[test]
fn plain_text_to_a_tls_port_is_suspected() {
    const TEST: &str = "plain_text_to_a_tls_port_is_suspected";
    let certificates = Certificates::make();
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), "") else { return };
    let url = format!("http://{}/small", nginx.tls());
    let document = run("", &url).expect_code(0).document();
    document.expect_only(&["status"]);
    document.expect(document.status(400) == 100, "nginx answers 400");
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("https://"), "and may be right");
}

#[test]
fn tls_to_a_plain_port_is_named() {
    const TEST: &str = "tls_to_a_plain_port_is_named";
    let certificates = Certificates::make();
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), "") else { return };
    let url = nginx.url("small").replace("http://", "https://");
    refused(run("-k", &url), &["not TLS", "http://"]);
}

#[test]
fn a_version_that_the_target_lacks_is_named() {
    const TEST: &str = "a_version_that_the_target_lacks_is_named";
    let certificates = Certificates::make();
    let trusted = format!("--cacert {}", certificates.authority().display());
    let shown = certificates.leaf(Kind::Good);
    for (offered, asked) in [("TLSv1.2", "1.3"), ("TLSv1.3", "1.2")] {
        let server = format!("ssl_protocols {offered};");
        let Some(nginx) = Nginx::start_tls(TEST, &shown, &server) else { return };
        let args = format!("{trusted} --tls {asked}");
        refused(run(&args, &nginx.https("small")), &["--tls"]);
        all_ok(run(&trusted, &nginx.https("small")));
    }
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_starts() {
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Client);
    let (cert, key) = (leaf.certificate.display(), leaf.key.display());
    let other = certificates.leaf(Kind::ForeignClient);
    let other_key = other.key.display();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = certificates.write("broken.pem", broken);
    let empty = certificates.write("empty.pem", "");
    let (broken, empty) = (broken.display(), empty.display());
    let url = "https://127.0.0.1:1/";
    for (args, parts) in [
        ("--cacert /no/such.pem".to_owned(), ["--cacert /no/such.pem", "cannot be read"]),
        (format!("--cacert {empty}"), ["--cacert", "contains no certificate"]),
        (format!("--cacert {key}"), ["--cacert", "contains no certificate"]),
        (format!("--cacert {broken}"), ["certificates to trust", "can be used"]),
        (format!("-k --cert /no/such.pem --key {key}"), ["--cert /no/such.pem", "cannot be read"]),
        (format!("-k --cert {cert} --key /no/such.key"), ["--key /no/such.key", "cannot be read"]),
        (format!("-k --cert {cert} --key {cert}"), ["--key", "contains no private key"]),
        (format!("-k --cert {empty} --key {key}"), ["--cert", "contains no certificate"]),
        (format!("-k --cert {broken} --key {key}"), ["client certificate", "cannot be used"]),
        (format!("-k --cert {cert} --key {other_key}"), ["client certificate", "its key"]),
    ] {
        let finished = run(&args, url).expect_code(2);
        finished.expect_line(&parts);
    }
}

#[test]
fn a_client_key_that_cannot_sign_is_named_by_its_kind() {
    let certificates = Certificates::make();
    for (how, kind) in [
        ("-newkey rsa:1024", "RSA of 1,024 bits"),
        ("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048", "RSA-PSS"),
        ("-newkey ec -pkeyopt ec_paramgen_curve:P-521", "P-521"),
        ("-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", "secp256k1"),
        ("-newkey ed448", "Ed448"),
    ] {
        let leaf = certificates.by_openssl(how, "/CN=client");
        let (cert, key) = (leaf.certificate.display(), leaf.key.display());
        for version in ["1.2", "1.3"] {
            let args = format!("-k --tls {version} --cert {cert} --key {key}");
            let finished = run(&args, "https://127.0.0.1:1/").expect_code(2);
            finished.expect_line(&["the private key is", kind, "use RSA from 2,048"]);
        }
    }
    let leaf = certificates.leaf(Kind::Client);
    for (label, what) in [("ENCRYPTED", "passphrase"), ("OPENSSH", "SSH"), ("DSA", "DSA")] {
        let text = format!(
            "-----BEGIN {label} PRIVATE KEY-----\nAAAA\n-----END {label} PRIVATE KEY-----\n"
        );
        let key = certificates.write("odd.key", &text);
        let args = format!("-k --cert {} --key {}", leaf.certificate.display(), key.display());
        run(&args, "https://127.0.0.1:1/").expect_code(2).expect_line(&["--key", what]);
    }
}
