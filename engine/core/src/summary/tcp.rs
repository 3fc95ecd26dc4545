//! The TCP state of a run's connections, summarised.

use crate::record::{RunRecord, TcpReading};

/// The connections whose state was read, some during the run, the others at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSummary {
    /// Their number, at least 1.
    pub connections: u64,
    /// Connections made in the run, at least as many.
    pub made: u64,
    /// Segments they retransmitted.
    pub retransmits: u64,
    /// Smoothed round-trip times, ns.
    pub rtt: Option<Spread>,
    /// The least round-trip time of any, ns.
    pub rtt_min: Option<u64>,
    /// The rate at which their last data was acknowledged, bytes per second.
    pub delivery_rate: Option<Spread>,
}

/// The distribution of a figure over connections. Successive connections of one number count once,
/// as the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 90 % quantile.
    pub p90: u64,
    /// The most.
    pub max: u64,
}

impl TcpSummary {
    /// `None` if no state could be read.
    pub(super) fn of(record: &RunRecord) -> Option<Self> {
        let readings: Vec<&TcpReading> =
            record.workers.iter().flat_map(|worker| &worker.tcp).collect();
        let of = |figure: fn(&TcpReading) -> Option<u64>| {
            Spread::of(readings.iter().filter_map(|reading| figure(reading)).collect())
        };
        let connections = readings.iter().map(|reading| reading.connections).sum();
        let made: u64 =
            record.workers.iter().map(|w| u64::from(w.established) + w.reconnects).sum();
        (!readings.is_empty()).then(|| Self {
            connections,
            made: made.max(connections),
            retransmits: readings.iter().map(|reading| reading.retransmits).sum(),
            rtt: of(|reading| reading.rtt.map(|span| span.0)),
            rtt_min: of(|reading| reading.rtt_min.map(|span| span.0)).map(|spread| spread.min),
            delivery_rate: of(|reading| reading.delivery_rate),
        })
    }
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        // The nearest rank.
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied()
        };
        Some(Self { min: at(0.0)?, p50: at(0.5)?, p90: at(0.9)?, max: at(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_values_of_connections() {
        assert_eq!(Spread::of(Vec::new()), None);
        assert_eq!(Spread::of(vec![7]), Some(Spread { min: 7, p50: 7, p90: 7, max: 7 }));
        let ten = Spread::of((1..=10).rev().collect());
        assert_eq!(ten, Some(Spread { min: 1, p50: 5, p90: 9, max: 10 }));
    }
}
