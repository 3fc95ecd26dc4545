//! Where what follows a run works: on CPUs without a worker, with the lowest priority.

use rustix::process::setpriority_process;
use uringbench_experiment::Experiment;
use uringbench_machine::cpus;
use uringbench_telemetry::keep_to;

/// The lowest priority (nice(2)).
const NICE: i32 = 19;

/// The CPUs for a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuietCpus {
    cpus: Vec<usize>,
    /// Who may use them too.
    pub(crate) shared_with: Option<Sharer>,
}

/// Who may be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharer {
    /// The target.
    Target,
    /// The workers, which have every CPU.
    Workers,
}

impl QuietCpus {
    /// Those without a worker, and as far as there are any without the target.
    pub(crate) fn of(experiment: &Experiment) -> Self {
        let target = experiment.target.cpus();
        let is_targets = |cpu: usize| target.as_ref().is_some_and(|cpus| cpus.contains(cpu));
        let allowed: Vec<usize> = cpus::allowed().iter().collect();
        Self::among(&allowed, &experiment.plan.transport.cpus, is_targets)
    }

    fn among(allowed: &[usize], workers: &[usize], is_targets: impl Fn(usize) -> bool) -> Self {
        let of = |is_wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            allowed.iter().copied().filter(|cpu| is_wanted(*cpu)).collect()
        };
        let is_idle = |cpu: usize| !workers.contains(&cpu);
        let steps = [
            (of(&|cpu| is_idle(cpu) && !is_targets(cpu)), None),
            (of(&is_idle), Some(Sharer::Target)),
        ];
        let found = steps.into_iter().find(|(cpus, _)| !cpus.is_empty());
        let (cpus, shared_with) =
            found.unwrap_or_else(|| (allowed.to_vec(), Some(Sharer::Workers)));
        Self { cpus, shared_with }
    }

    /// Keep this thread to them, with the lowest priority. Threads that it starts are like it.
    pub(crate) fn keep(&self) {
        keep_to(&self.cpus);
        // Without it the thread works as well, only not as quietly.
        let _ = setpriority_process(None, NICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_cpus_are_taken_and_sharing_is_known() {
        let of = |workers: &[usize], targets: &'static [usize]| {
            let found = QuietCpus::among(&[0, 1, 2, 3], workers, |cpu| targets.contains(&cpu));
            (found.cpus, found.shared_with)
        };
        assert_eq!(of(&[0], &[1]), (vec![2, 3], None));
        assert_eq!(of(&[0, 1], &[0, 1, 2, 3]), (vec![2, 3], Some(Sharer::Target)));
        assert_eq!(of(&[0, 1, 2, 3], &[]), (vec![0, 1, 2, 3], Some(Sharer::Workers)));
    }
}
