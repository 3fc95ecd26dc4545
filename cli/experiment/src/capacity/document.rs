//! The document of a search, from its trials and its answer.

use std::time::SystemTime;

use uringbench_core::plan::Arrivals;
use uringbench_core::slo::ShareObjective;
use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::crossing::Crossing;
use uringbench_decision::capacity::{
    CapacityAnswer, CapacityTrial, Ceiling, GoalAnswer, TrialLimit, TrialResult,
};
use uringbench_decision::usl::{UslFit, UslPoint, fit_usl};
use uringbench_document::Document;
use uringbench_document::capacity::{
    CAPACITY_SCHEMA, CapacityDocument, CapacityFound, CapacitySettings, CrossingFound,
    FittedFigure, GoalFound, HysteresisFound, TrialFigures, UslFigures,
};
use uringbench_document::civil::Civil;

use super::{Progress, Varied};

impl Progress<'_> {
    /// The figures of a trial.
    pub(super) fn figures(
        &self,
        folder: String,
        trial: &CapacityTrial,
        result: &TrialResult,
        run: &Document,
    ) -> TrialFigures {
        let shares = self.objectives.iter().zip(&result.bad);
        let is_inside = |(objective, bad): (&ShareObjective, &u64)| {
            *bad as f64 <= objective.share * result.of as f64
        };
        let response = &run.latency_ns.response;
        let service = run.latency_ns.service.mean;
        let busy = run.client.workers.iter().map(|worker| worker.busy);
        TrialFigures {
            folder,
            load: trial.load,
            purpose: trial.purpose.key().to_owned(),
            duration_s: trial.seconds,
            requests: result.of,
            bad: result.bad.clone(),
            good: shares.into_iter().all(is_inside),
            limit: match result.limit {
                TrialLimit::Nothing => None,
                TrialLimit::Disturbed => Some("disturbed".to_owned()),
                TrialLimit::Generator => Some("generator".to_owned()),
            },
            validity: run.verdict.validity.clone(),
            reasons: run.verdict.reasons.iter().map(|reason| reason.code.clone()).collect(),
            completed: run.rate.completed,
            in_service: service.map(|mean| run.rate.completed * mean as f64 / 1e9),
            response_p50_ns: response.p50,
            response_p99_ns: response.p99,
            response_p999_ns: response.p999,
            target_cpus: run.target_usage.as_ref().map(|usage| usage.cpus),
            client_busy: busy.fold(0.0, f64::max),
        }
    }

    /// The document of the trials so far.
    pub(super) fn document(&self, started: SystemTime, interrupted: bool) -> CapacityDocument {
        let capacity = self.capacity;
        let plan = &capacity.experiment.plan;
        let answer = self.search.answer();
        let settings = capacity.settings(&self.objectives);
        CapacityDocument {
            schema: CAPACITY_SCHEMA.to_owned(),
            started: Civil::of(started).rfc3339(),
            url: capacity.experiment.stored_url().into_owned(),
            method: plan.target.method.clone(),
            name: capacity.experiment.name.clone(),
            over: match capacity.over {
                Varied::Rate(_) => "rate".to_owned(),
                Varied::Connections => "connections".to_owned(),
            },
            settings: CapacitySettings {
                slo: capacity.slo.clone().into(),
                from: settings.from,
                to: settings.to,
                width: settings.width,
                budget_s: settings.budget,
                initial_s: settings.initial,
                full_s: settings.full,
                sum_s: settings.sum,
                exceed_ratio: settings.exceed_ratio,
                arrivals: match capacity.over {
                    Varied::Rate(Arrivals::Constant) => Some("constant".to_owned()),
                    Varied::Rate(Arrivals::Poisson) => Some("poisson".to_owned()),
                    Varied::Connections => None,
                },
                seed: plan.seed,
            },
            answer: self.found(&answer, interrupted),
            goals: self.goals(&answer),
            trials: self.trials.clone(),
            usl: self.usl(plan.seed),
            host: self.host.clone(),
        }
    }

    fn found(&self, answer: &CapacityAnswer, interrupted: bool) -> CapacityFound {
        CapacityFound {
            lower: answer.lower,
            upper: answer.upper,
            ceiling: answer.ceiling.map(|ceiling| match ceiling {
                Ceiling::Generator => "generator".to_owned(),
                Ceiling::Range => "range".to_owned(),
            }),
            limiting: answer.limiting.map(|goal| self.objectives[goal].text.clone()),
            conditional_throughput: answer.conditional_throughput,
            settled: answer.is_settled,
            confirmed: answer.confirmed,
            recovery_checked: answer.recovery_checked,
            hysteresis: answer.hysteresis.map(|found| HysteresisFound {
                overload: found.overload,
                load: found.load,
                recovered: found.has_recovered,
            }),
            interrupted,
            ended: self.ended.clone(),
            duration_s: answer.seconds,
        }
    }

    fn goals(&self, answer: &CapacityAnswer) -> Vec<GoalFound> {
        let crossing = |found: Crossing| CrossingFound {
            load: found.load.value,
            low: found.load.low,
            high: found.load.high,
            variation: found.variation,
            outliers: found.outliers,
        };
        let goals = self.objectives.iter().zip(&answer.goals);
        goals
            .map(|(objective, GoalAnswer { lower, upper, crossing: found })| GoalFound {
                objective: objective.text.clone(),
                loss_ratio: objective.share,
                time_ns: objective.time.map(|bound| bound.nanos),
                lower: *lower,
                upper: *upper,
                crossing: found.map(crossing),
            })
            .collect()
    }

    /// The law through all trials: requests in service, or connections, against the rate.
    fn usl(&self, seed: u64) -> UslFigures {
        let point = |trial: &TrialFigures| UslPoint {
            load: match self.capacity.over {
                Varied::Rate(_) => trial.in_service.unwrap_or_default(),
                Varied::Connections => trial.load,
            },
            rate: trial.completed,
            is_generator_limited: trial.limit.is_some(),
        };
        // Requests of an overload end after the window in which they count: there would be more in
        // service than there are connections.
        let connections = f64::from(self.capacity.experiment.plan.connections());
        let is_steady = |point: &UslPoint| point.load <= connections;
        let points: Vec<_> = self.trials.iter().map(point).filter(is_steady).collect();
        match fit_usl(&points, seed) {
            Err(why) => UslFigures { reason: Some(why.to_string()), ..UslFigures::default() },
            Ok(fit) => fitted(&fit),
        }
    }
}

fn fitted(fit: &UslFit) -> UslFigures {
    let figure = |Estimate { value, low, high }| Some(FittedFigure { value, low, high });
    UslFigures {
        reason: None,
        lambda: figure(fit.lambda),
        sigma: figure(fit.sigma),
        kappa: figure(fit.kappa),
        peak_load: fit.peak.map(|(load, _)| load),
        peak_rate: fit.peak.map(|(_, rate)| rate),
        load_max: Some(fit.load_max),
        points: fit.points,
        r_squared: Some(fit.r_squared),
    }
}
