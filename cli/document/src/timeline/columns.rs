//! The stored timeline (`timeline.json`): columns of the same length as the axis, with their units
//! in their names. Unknown values are null.

use serde::{Deserialize, Serialize};

use super::lines::SoakRow;

/// The schema this code writes.
pub const SCHEMA: &str = "uringbench.timeline/1";

/// One timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineDocument {
    /// [`SCHEMA`].
    pub schema: String,
    /// The wall clock at `t_s` 0, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_unix_s: Option<f64>,
    /// Configured rows per second.
    pub hz: u32,
    /// The end of each row, in seconds from the origin (negative before it); a row begins where
    /// the one before it ends, the first 1/hz earlier.
    pub t_s: Vec<f64>,
    /// The load.
    pub load: LoadColumns,
    /// The target's processes together.
    pub target: TargetColumns,
    /// Its control group's memory; null without one.
    pub cgroup: Option<CgroupColumns>,
    /// The host.
    pub host: HostColumns,
}

/// One row of a [`TimelineDocument`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// As in the document.
    pub t_s: f64,
    /// The load.
    #[serde(default)]
    pub load: LoadRow,
    /// The target.
    #[serde(default)]
    pub target: TargetRow,
    /// Its control group; missing without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupRow>,
    /// The host.
    #[serde(default)]
    pub host: HostRow,
    /// In the lines of a soak: what its verdict rests on besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<SoakRow>,
}

impl TimelineDocument {
    /// A document without rows.
    pub fn empty(hz: u32, start_unix_s: Option<f64>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            start_unix_s,
            hz,
            t_s: Vec::new(),
            load: LoadColumns::default(),
            target: TargetColumns::default(),
            cgroup: None,
            host: HostColumns::default(),
        }
    }

    /// Appends a row.
    pub fn push(&mut self, row: &Row) {
        let rows = self.t_s.len();
        self.t_s.push(row.t_s);
        self.load.push(&row.load);
        self.target.push(&row.target);
        self.host.push(&row.host);
        if row.cgroup.is_some() && self.cgroup.is_none() {
            self.cgroup = Some(CgroupColumns::unknown(rows));
        }
        if let Some(columns) = &mut self.cgroup {
            columns.push(&row.cgroup.clone().unwrap_or_default());
        }
    }

    /// Whether all columns have the length of the axis: a file may contain anything.
    pub fn is_aligned(&self) -> bool {
        let rows = self.t_s.len();
        self.load.are_all(rows)
            && self.target.are_all(rows)
            && self.host.are_all(rows)
            && self.cgroup.as_ref().is_none_or(|cgroup| cgroup.are_all(rows))
    }
}

/// Columns and one row of them, with the same names.
macro_rules! columns {
    ($(#[$about:meta])* $columns:ident, $row:ident { $($(#[$doc:meta])* $name:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $columns {
            $($(#[$doc])* #[serde(with = "figures")] pub $name: Vec<Option<f64>>,)+
        }

        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $row {
            $(
                $(#[$doc])*
                #[serde(default, with = "figure", skip_serializing_if = "Option::is_none")]
                pub $name: Option<f64>,
            )+
        }

        impl $columns {
            /// Rows with unknown values.
            pub fn unknown(rows: usize) -> Self {
                Self { $($name: vec![None; rows],)+ }
            }

            /// Appends a row.
            pub fn push(&mut self, row: &$row) {
                $(self.$name.push(row.$name);)+
            }

            /// The row at `index`; unknown past the end.
            pub fn row(&self, index: usize) -> $row {
                $row { $($name: self.$name.get(index).copied().flatten(),)+ }
            }

            /// Put rows with unknown values before the first.
            pub fn prepend_unknown(&mut self, rows: usize) {
                $(self.$name.splice(0..0, std::iter::repeat_n(None, rows));)+
            }

            /// Whether every column has this many rows.
            pub fn are_all(&self, rows: usize) -> bool {
                [$(self.$name.len(),)+].into_iter().all(|len| len == rows)
            }
        }
    };
}

columns! {
    /// The load.
    LoadColumns, LoadRow {
        /// Complete answers per second.
        completed_per_s,
        /// Slots that ended other than `ok`, per second.
        errors_per_s,
        /// Exchanges in flight at the end.
        in_flight,
        /// Response time p50 in ns.
        response_p50_ns,
        /// Response time p99 in ns, the largest of the intervals in the row.
        response_p99_ns,
    }
}

columns! {
    /// The target's processes together.
    TargetColumns, TargetRow {
        /// CPUs used in user mode.
        cpu_user,
        /// CPUs used in the kernel.
        cpu_system,
        /// Threads that could have run but waited for a CPU, on average.
        run_queue_s_per_s,
        /// Switches of threads that began to wait.
        voluntary_switches_per_s,
        /// Preemptions.
        involuntary_switches_per_s,
        /// Page faults without a disk.
        minor_faults_per_s,
        /// Page faults with one.
        major_faults_per_s,
        /// Resident private memory.
        rss_anon_bytes,
        /// Resident pages of files.
        rss_file_bytes,
        /// Shared memory, each object once.
        rss_shmem_bytes,
        /// Memory swapped out.
        swap_bytes,
        /// Proportional set size; once a minute at most, never in a measured window.
        pss_bytes,
        /// Open file descriptors.
        fds,
        /// Threads.
        threads,
        /// Processes.
        processes,
    }
}

columns! {
    /// The memory of the target's control group.
    CgroupColumns, CgroupRow {
        /// All memory charged to it.
        memory_current_bytes,
        /// Private memory.
        memory_anon_bytes,
        /// The limit; null without one.
        memory_limit_bytes,
    }
}

columns! {
    /// The host.
    HostColumns, HostRow {
        /// CPUs busy in user mode.
        cpu_user,
        /// CPUs busy in the kernel.
        cpu_system,
        /// CPUs taken by the hypervisor.
        cpu_steal,
        /// Idle CPUs.
        cpu_idle,
        /// Idle CPUs while a disk was waited for.
        cpu_iowait,
        /// Context switches.
        context_switches_per_s,
        /// Share of time in which a task waited for a CPU.
        pressure_cpu_some,
        /// Share of time in which a task waited for memory.
        pressure_memory_some,
        /// Share of time in which a task waited for a disk.
        pressure_io_some,
        /// Bytes read from disks.
        disk_read_bytes_per_s,
        /// Bytes written to disks.
        disk_write_bytes_per_s,
        /// Reads in progress, on average.
        disk_read_s_per_s,
        /// Writes in progress, on average.
        disk_write_s_per_s,
        /// Bytes received.
        network_received_bytes_per_s,
        /// Bytes sent.
        network_sent_bytes_per_s,
        /// Packets received.
        network_received_packets_per_s,
        /// Packets sent.
        network_sent_packets_per_s,
        /// TCP segments retransmitted.
        tcp_retransmits_per_s,
        /// Memory available without swapping.
        memory_available_bytes,
    }
}

/// A value in JSON: whole numbers without a point, others to the millionth.
mod figure {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) struct Figure(pub(super) Option<f64>);

    impl Serialize for Figure {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            /// Larger whole numbers are not exact.
            const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
            match self.0 {
                Some(value) if value.fract() == 0.0 && value.abs() < WHOLE_MAX => {
                    to.serialize_i64(value as i64)
                }
                Some(value) if value.is_finite() => to.serialize_f64((value * 1e6).round() / 1e6),
                _ => to.serialize_none(),
            }
        }
    }

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        Figure(*value).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Option::deserialize(from)
    }
}

/// A column of values.
mod figures {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::figure::Figure;

    pub(super) fn serialize<S: Serializer>(
        values: &[Option<f64>],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| Figure(*value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Option<f64>>, D::Error> {
        Vec::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t_s: f64, anon: Option<f64>, cgroup: Option<f64>) -> Row {
        Row {
            t_s,
            target: TargetRow {
                rss_anon_bytes: anon,
                cpu_user: Some(0.1 + 0.2),
                ..Default::default()
            },
            cgroup: cgroup.map(|current| CgroupRow {
                memory_current_bytes: Some(current),
                ..Default::default()
            }),
            ..Row::default()
        }
    }

    #[test]
    fn the_keys_are_the_contract_and_values_are_short() {
        let mut document = TimelineDocument::empty(1, None);
        document.push(&row(0.5, None, None));
        document.push(&row(1.5, Some(4096.0), Some(7.0)));
        assert!(document.is_aligned());
        let json = serde_json::to_value(&document).expect("JSON");
        assert_eq!(json["schema"], "uringbench.timeline/1");
        assert!(json.get("start_unix_s").is_none());
        let anon = serde_json::to_string(&json["target"]["rss_anon_bytes"]).expect("JSON");
        assert_eq!(anon, "[null,4096]");
        let user = serde_json::to_string(&json["target"]["cpu_user"]).expect("JSON");
        assert_eq!(user, "[0.3,0.3]");
        // A control group found late is unknown before.
        let current = serde_json::to_string(&json["cgroup"]["memory_current_bytes"]);
        assert_eq!(current.expect("JSON"), "[null,7]");
        for (part, keys) in [
            ("load", "completed_per_s errors_per_s in_flight response_p50_ns response_p99_ns"),
            (
                "target",
                "cpu_user cpu_system run_queue_s_per_s voluntary_switches_per_s \
                 involuntary_switches_per_s minor_faults_per_s major_faults_per_s rss_anon_bytes \
                 rss_file_bytes rss_shmem_bytes swap_bytes pss_bytes fds threads processes",
            ),
            ("cgroup", "memory_current_bytes memory_anon_bytes memory_limit_bytes"),
            (
                "host",
                "cpu_user cpu_system cpu_steal cpu_idle pressure_cpu_some pressure_memory_some \
                 pressure_io_some disk_read_bytes_per_s disk_write_bytes_per_s \
                 network_received_bytes_per_s network_sent_bytes_per_s tcp_retransmits_per_s",
            ),
        ] {
            for key in keys.split_whitespace() {
                let column = json[part][key].as_array();
                assert_eq!(column.map(Vec::len), Some(2), "{part}.{key}");
            }
        }
        let back: TimelineDocument = serde_json::from_value(json).expect("a document");
        assert_eq!(back.target.rss_anon_bytes, document.target.rss_anon_bytes);
        assert!(back.is_aligned());
    }

    #[test]
    fn a_column_that_is_too_short_is_seen() {
        let mut document = TimelineDocument::empty(1, None);
        document.push(&row(0.5, None, Some(1.0)));
        document.host.cpu_idle.clear();
        assert!(!document.is_aligned());
    }

    #[test]
    fn without_a_control_group_there_is_null() {
        let json = serde_json::to_value(TimelineDocument::empty(10, Some(1.5))).expect("JSON");
        assert!(json["cgroup"].is_null());
        assert_eq!((json["hz"].as_u64(), json["start_unix_s"].as_f64()), (Some(10), Some(1.5)));
    }
}
