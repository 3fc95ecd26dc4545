//! Peers and local addresses of connections: names are looked up, sockets and own addresses checked
//! before the run starts.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, bail};
use uringbench_core::plan::Route;

use crate::args::{ConnectionArgs, Sources};
use crate::exit::{Failure, usage};
use crate::url::{Host, Url};

/// The path in a Unix socket's address, without the final zero (unix(7)).
const UNIX_PATH_MAX: usize = 107;

/// The route of connections: to every address of the host, or to a Unix socket.
pub(crate) fn route(args: &ConnectionArgs, url: &Url) -> Result<Route, Failure> {
    if let Some(path) = &args.unix {
        check_socket(path)?;
        return Ok(Route::Unix(path.clone()));
    }
    let (host, port) = address(args, url)?;
    let peers = look_up(&host, port)?;
    let sources = match (&args.source_ip, args.proxy_protocol) {
        (Some(Sources(sources)), _) => {
            check_sources(sources, &peers)?;
            sources.clone()
        }
        (None, Some(_)) => own_addresses(&peers)?,
        (None, None) => Vec::new(),
    };
    Ok(match args.proxy_protocol {
        Some(version) => Route::Proxied { peers, sources, version: version.into() },
        None => Route::Tcp { peers, sources },
    })
}

fn check_socket(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let kind = std::fs::metadata(path)
        .map_err(|why| usage(format!("--unix {shown} cannot be used: {why}")))?
        .file_type();
    if !kind.is_socket() {
        return Err(usage(format!("--unix {shown} is not a socket: name the target's socket")));
    }
    if path.as_os_str().len() > UNIX_PATH_MAX {
        return Err(usage(format!(
            "--unix {shown} is longer than {UNIX_PATH_MAX} bytes, the most a socket's address \
             has: use a shorter path, such as a link to its folder"
        )));
    }
    Ok(())
}

/// The peer of connections: the URL's host, or the one of `--connect-to`.
fn address(args: &ConnectionArgs, url: &Url) -> Result<(Host, u16), Failure> {
    let Some(given) = &args.connect_to else { return Ok((url.host.clone(), url.port)) };
    let bad = || usage(format!("--connect-to {given:?} is not HOST:PORT, such as 10.0.0.5:8443"));
    if given.contains(['/', '?', '#', '@']) || !given.contains(':') {
        return Err(bad());
    }
    let other = Url::parse(&format!("http://{given}/")).map_err(|_| bad())?;
    Ok((other.host, other.port))
}

/// Each local address must be one of this machine's, and reach the target.
fn check_sources(sources: &[IpAddr], peers: &[SocketAddr]) -> Result<(), Failure> {
    for source in sources {
        if !peers.iter().any(|peer| peer.is_ipv4() == source.is_ipv4()) {
            return Err(usage(format!(
                "--source-ip {source} cannot reach {}: use addresses of its kind",
                peers[0]
            )));
        }
        if let Err(why) = UdpSocket::bind(SocketAddr::new(*source, 0)) {
            return Err(usage(format!(
                "--source-ip {source} is not an address of this machine ({why}): add it \
                 (`ip address add {source} dev …`), or use 127.0.0.2 and following for loopback"
            )));
        }
    }
    Ok(())
}

/// The addresses from which this machine reaches its peers, for a PROXY header.
fn own_addresses(peers: &[SocketAddr]) -> Result<Vec<IpAddr>, Failure> {
    let mut own = Vec::new();
    for peer in peers {
        let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        // This sends nothing: it only looks up the route.
        let local = UdpSocket::bind(any)
            .and_then(|socket| socket.connect(peer).and_then(|()| socket.local_addr()))
            .with_context(|| format!("there is no route to {peer}"))?;
        if !own.contains(&local.ip()) {
            own.push(local.ip());
        }
    }
    Ok(own)
}

/// With a proxy configured, a user may expect it to look up names.
fn proxies_unused() -> String {
    const VARIABLES: [&str; 6] =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    VARIABLES.iter().find(is_set).map_or_else(String::new, |name| {
        format!("; {name} is set, but uringbench connects to the target itself and uses no proxy")
    })
}

/// Every address of the host, once each, in the resolver's order.
fn look_up(host: &Host, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let found = (name.as_str(), port).to_socket_addrs().with_context(|| {
        let fix = match name.ends_with(".toml") {
            true => "to run a scenario of that name, leave out http://",
            false => "check the name, or use its address",
        };
        format!("cannot look up `{name}`; {fix}{}", proxies_unused())
    })?;
    let mut seen = HashSet::new();
    let peers: Vec<SocketAddr> = found.filter(|peer| seen.insert(*peer)).collect();
    if peers.is_empty() {
        bail!("`{name}` has no address; check the name, or use an address");
    }
    Ok(peers)
}
