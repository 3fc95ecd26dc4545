//! What TCP knows of a connection (tcp(7), TCP_INFO; `struct tcp_info` of linux/tcp.h).

/// Bytes read here; older kernels write fewer.
pub(crate) const TCP_INFO_BYTES: usize = 168;

/// One connection since it was established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Segments that this side retransmitted.
    pub retransmits: u32,
    /// Smoothed round-trip time, microseconds; 0 until one has been measured.
    pub rtt_us: u32,
    /// The minimum of recent round-trip times, microseconds; 0 if the kernel does not report it.
    pub min_rtt_us: u32,
    /// The rate at which the last data was acknowledged, bytes per second; 0 if unknown.
    pub delivery_rate: u64,
}

impl TcpInfo {
    /// From the kernel's bytes. The offsets are part of its interface and do not change.
    pub(crate) fn of(bytes: &[u8; TCP_INFO_BYTES]) -> Self {
        let four = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
        let low_first = if cfg!(target_endian = "little") { [160, 164] } else { [164, 160] };
        let [low, high] = low_first.map(|at| u64::from(four(at)));
        Self {
            retransmits: four(100),
            rtt_us: four(68),
            // All ones without a value.
            min_rtt_us: Some(four(148)).filter(|&least| least != u32::MAX).unwrap_or_default(),
            delivery_rate: high << 32 | low,
        }
    }
}
