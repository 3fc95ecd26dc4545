//! The options of curl (8.x), and how each is imported.

use super::Act::{self, Left};

/// A known option.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// With its dashes.
    pub(super) name: &'static str,
    /// Whether it takes a value.
    pub(super) takes_value: bool,
    pub(super) act: Act,
}

/// Options that become part of the scenario: long name, short name, whether it takes a value,
/// effect.
const TAKEN: [(&str, char, bool, Act); 37] = [
    ("--request", 'X', true, Act::Method),
    ("--header", 'H', true, Act::Header),
    ("--data", 'd', true, Act::Data),
    ("--data-ascii", '\0', true, Act::Data),
    ("--data-binary", '\0', true, Act::DataBinary),
    ("--data-raw", '\0', true, Act::DataRaw),
    ("--data-urlencode", '\0', true, Act::DataEncoded),
    ("--json", '\0', true, Act::Json),
    ("--form", 'F', true, Act::Form),
    ("--form-string", '\0', true, Act::FormString),
    ("--get", 'G', false, Act::Get),
    ("--head", 'I', false, Act::Head),
    ("--user", 'u', true, Act::User),
    ("--basic", '\0', false, Act::Nothing),
    ("--oauth2-bearer", '\0', true, Act::Bearer),
    ("--user-agent", 'A', true, Act::Agent),
    ("--referer", 'e', true, Act::Referer),
    ("--range", 'r', true, Act::Range),
    ("--cookie", 'b', true, Act::Cookie),
    ("--cookie-jar", 'c', true, Act::CookieJar),
    ("--compressed", '\0', false, Act::Compressed),
    ("--url", '\0', true, Act::Url),
    ("--url-query", '\0', true, Act::UrlQuery),
    ("--upload-file", 'T', true, Act::Upload),
    ("--next", ':', false, Act::Next),
    ("--digest", '\0', false, Act::Challenge(AUTHENTICATION)),
    ("--ntlm", '\0', false, Act::Challenge(AUTHENTICATION)),
    ("--ntlm-wb", '\0', false, Act::Challenge(AUTHENTICATION)),
    ("--negotiate", '\0', false, Act::Challenge(AUTHENTICATION)),
    ("--anyauth", '\0', false, Act::Challenge(AUTHENTICATION)),
    ("--aws-sigv4", '\0', true, Act::Challenge(SIGNATURE)),
    ("--globoff", 'g', false, Act::GlobOff),
    ("--path-as-is", '\0', false, Act::PathAsIs),
    ("--request-target", '\0', true, Act::Target),
    ("--http1.1", '\0', false, Act::Nothing),
    (
        "--no-keepalive",
        '\0',
        false,
        Left("connections stay open; a run closes them by --requests-per-connection 1"),
    ),
    ("--expect100-timeout", '\0', true, Act::Nothing),
];

const OUTPUT: &str = "answers are measured, not saved";
const CONNECTION: &str = "options of the run set how to connect, see `uringbench --help`";
const TLS: &str = "options of the run set certificates: -k, --cacert, --cert, --key and --tls";
const FAILURE: &str = "checks decide which answers are failures, and failed requests are not \
                       repeated";
const REDIRECT: &str = "redirects are not followed: add a step for their target";
const AUTHENTICATION: &str = "only Basic and Bearer can be sent without a challenge";
const SIGNATURE: &str = "the signature depends on each request and its time, and is not computed";
const OTHER_PROTOCOL: &str = "it applies to another protocol than HTTP/1.1";
const CHANGED: &str = "its change of the request is not imported: write the resulting header or \
                       body";
const NOT_READ: &str = "the file is not read: write its content as options";
const LIMIT: &str = "options of the run set load and time limits: -n, -d, -R and --timeout";

/// Options that cannot be imported, each with the reason; a `=` after the name means that it takes
/// a value, a letter before it is its short form.
const LEFT: [(&str, &str); 10] = [
    (
        OUTPUT,
        "o--output= O--remote-name J--remote-header-name --remote-name-all R--remote-time \
         s--silent S--show-error v--verbose i--include D--dump-header= w--write-out= \
         #--progress-bar --no-progress-meter --output-dir= --create-dirs --create-file-mode= \
         --stderr= --trace= --trace-ascii= --trace-time --trace-ids --trace-config= \
         --styled-output N--no-buffer --libcurl= --xattr --etag-save= --no-clobber \
         --remove-on-error --suppress-connect-headers --raw --ignore-content-length \
         --hsts= --alt-svc= --skip-existing --ssl-sessions= --out-null",
    ),
    (
        CONNECTION,
        "x--proxy= --preproxy= U--proxy-user= --proxy1.0= p--proxytunnel --noproxy= --socks4= \
         --socks4a= --socks5= --socks5-hostname= --socks5-basic --socks5-gssapi \
         --socks5-gssapi-nec --socks5-gssapi-service= --proxy-anyauth --proxy-basic \
         --proxy-digest --proxy-ntlm --proxy-negotiate --proxy-header= --proxy-service-name= \
         --proxy-pass= --proxy-http2 --connect-to= --resolve= --interface= --local-port= \
         4--ipv4 6--ipv6 --unix-socket= --abstract-unix-socket= --dns-interface= \
         --dns-ipv4-addr= --dns-ipv6-addr= --dns-servers= --doh-url= --doh-insecure \
         --doh-cert-status --haproxy-protocol --haproxy-clientip= --tcp-fastopen --tcp-nodelay \
         --keepalive-time= --keepalive-cnt= --happy-eyeballs-timeout-ms= --ip-tos= --mptcp \
         --vlan-priority= --ipfs-gateway=",
    ),
    (
        TLS,
        "k--insecure --cacert= --capath= E--cert= --cert-status --cert-type= --key= --key-type= \
         --pass= --ciphers= --tls13-ciphers= --curves= --tls-max= 1--tlsv1 --tlsv1.0 --tlsv1.1 \
         --tlsv1.2 --tlsv1.3 2--sslv2 3--sslv3 --ssl --ssl-reqd --ssl-allow-beast \
         --ssl-auto-client-cert --ssl-no-revoke --ssl-revoke-best-effort --pinnedpubkey= \
         --no-alpn --no-npn --no-sessionid --false-start --engine= --crlfile= --ca-native \
         --egd-file= --random-file= --tlsauthtype= --tlspassword= --tlsuser= --proxy-insecure \
         --proxy-cacert= --proxy-capath= --proxy-cert= --proxy-cert-type= --proxy-ciphers= \
         --proxy-crlfile= --proxy-key= --proxy-key-type= --proxy-pinnedpubkey= \
         --proxy-ssl-allow-beast --proxy-ssl-auto-client-cert --proxy-tls13-ciphers= \
         --proxy-tlsauthtype= --proxy-tlspassword= --proxy-tlsuser= --proxy-tlsv1 \
         --proxy-ca-native --ech= --sigalgs= --signature-algorithms= --tls-earlydata",
    ),
    (
        FAILURE,
        "f--fail --fail-with-body --fail-early --retry= --retry-delay= --retry-max-time= \
         --retry-all-errors --retry-connrefused --max-filesize=",
    ),
    (
        REDIRECT,
        "L--location --location-trusted --max-redirs= --post301 --post302 --post303 --follow",
    ),
    (
        AUTHENTICATION,
        "n--netrc --netrc-file= --netrc-optional --delegation= --service-name= \
         --login-options= --sasl-authzid= --sasl-ir --krb=",
    ),
    (
        OTHER_PROTOCOL,
        "0--http1.0 --http0.9 --http2 --http2-prior-knowledge --http3 --http3-only a--append \
         l--list-only Q--quote= P--ftp-port= --ftp-account= --ftp-alternative-to-user= \
         --ftp-create-dirs --ftp-method= --ftp-pasv --ftp-pret --ftp-skip-pasv-ip --ftp-ssl-ccc \
         --ftp-ssl-ccc-mode= --ftp-ssl-control --disable-eprt --disable-epsv --mail-auth= \
         --mail-from= --mail-rcpt= --mail-rcpt-allowfails t--telnet-option= --tftp-blksize= \
         --tftp-no-options B--use-ascii --crlf --pubkey= --hostpubmd5= --hostpubsha256= \
         --compressed-ssh --proto= --proto-redir= --metalink --disallow-username-in-url \
         --upload-flags=",
    ),
    (
        CHANGED,
        "C--continue-at= --tr-encoding --proto-default= --form-escape z--time-cond= \
         --etag-compare= --variable= --expand-url=",
    ),
    (NOT_READ, "K--config= q--disable j--junk-session-cookies"),
    (
        LIMIT,
        "m--max-time= --connect-timeout= --limit-rate= Y--speed-limit= y--speed-time= --rate= \
         Z--parallel --parallel-immediate --parallel-max= --parallel-max-host=",
    ),
];

/// Options that cannot be imported: name, letter, whether it takes a value, and the reason.
fn left() -> impl Iterator<Item = (&'static str, Option<char>, bool, &'static str)> {
    LEFT.iter().flat_map(|(why, names)| {
        names.split_whitespace().map(move |entry| {
            let (long, takes_value) =
                entry.strip_suffix('=').map_or((entry, false), |long| (long, true));
            let letter = long.chars().next().filter(|c| *c != '-');
            (long.trim_start_matches(|c| c != '-'), letter, takes_value, *why)
        })
    })
}

/// Finds an option by its long name, by an unambiguous prefix of it, or by its letter.
pub(super) fn known(name: &str) -> Option<Known> {
    let taken = TAKEN.iter().map(|&(name, letter, takes_value, act)| {
        (Some(letter).filter(|c| *c != '\0'), Known { name, takes_value, act })
    });
    let left = left().map(|(name, letter, takes_value, why)| {
        (letter, Known { name, takes_value, act: Left(why) })
    });
    let mut all = taken.chain(left);
    if let Some(letter) = name.strip_prefix('-').and_then(|rest| rest.parse::<char>().ok()) {
        return all.find(|(known, _)| *known == Some(letter)).map(|(_, known)| known);
    }
    let mut begun: Vec<Known> = Vec::new();
    for (_, known) in all {
        if known.name == name {
            return Some(known);
        }
        if known.name.starts_with(name) {
            begun.push(known);
        }
    }
    // For an ambiguous prefix curl asks for the full name.
    match begun.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}
