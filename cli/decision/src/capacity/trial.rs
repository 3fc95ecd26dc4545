//! The words of a search: goals, settings, trials and their results.

/// An objective as a share of requests: `p99 < 20 ms` means that at most 1 % take longer.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityGoal {
    /// The objective as written.
    pub name: String,
    /// Share of requests that may be outside it, 0 <= share < 1.
    pub loss_ratio: f64,
}

/// How a search proceeds. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchSettings {
    /// All of them must be met.
    pub goals: Vec<CapacityGoal>,
    /// The first load, above 0; lower ones are tried if it is too much.
    pub from: f64,
    /// The highest load that may be tried.
    pub to: f64,
    /// The width of the answer, as a share of its lower end: 0.05.
    pub width: f64,
    /// Whether loads are whole numbers; the answer may then be one wide.
    pub is_whole: bool,
    /// Length of a trial that looks for the region.
    pub initial: f64,
    /// Length of a trial near the capacity.
    pub full: f64,
    /// Time that decides about a load near the capacity.
    pub sum: f64,
    /// Share of that time in which trials may be bad.
    pub exceed_ratio: f64,
    /// The longest search, with everything between the trials.
    pub budget: f64,
}

/// A trial to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityTrial {
    /// The load to offer.
    pub load: f64,
    /// The length of its measured window in seconds.
    pub seconds: f64,
    /// Why it is run.
    pub purpose: TrialPurpose,
}

/// Why a trial is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialPurpose {
    /// To find the region of the capacity.
    Expand,
    /// To narrow the bounds.
    Bisect,
    /// To locate the capacity between bounds that are close.
    Refine,
    /// To overload the target.
    Overload,
    /// To see whether it recovers from overload.
    StepBack,
    /// To confirm the lower end of the answer.
    Confirm,
}

impl TrialPurpose {
    /// The word for it in documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Bisect => "bisect",
            Self::Refine => "refine",
            Self::Overload => "overload",
            Self::StepBack => "step_back",
            Self::Confirm => "confirm",
        }
    }

    /// Whether the trial shows which loads the target sustains; after an overload it need not.
    pub(super) const fn locates(self) -> bool {
        !matches!(self, Self::Overload | Self::StepBack)
    }
}

/// The result of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialResult {
    /// Requests outside each goal, in the order of the goals.
    pub bad: Vec<u64>,
    /// All requests; 0 if none was due.
    pub of: u64,
    /// What limited the trial beside the target.
    pub limit: TrialLimit,
    /// Time from the trial's start to its end with everything around it, in seconds.
    pub took: f64,
}

/// What limited a trial beside the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialLimit {
    /// Nothing.
    Nothing,
    /// The machine was disturbed: a good trial counts, a bad one does not.
    Disturbed,
    /// The generator: the load was not offered, so the trial counts for nothing.
    Generator,
}
