//! The functions whose cost per request, with all that they call, changed between two profiled
//! runs.

use std::path::Path;

use uringbench_document::comparison::{ChangedFunction, FunctionChanges};
use uringbench_profiler::analysis::{self, Cut, FunctionDelta};
use uringbench_profiler::profile::{STORED_FILE, Stored, Windows, read_stored};

/// Whether the folder has a profile.
pub fn is_profiled(folder: &Path) -> bool {
    folder.join(STORED_FILE).is_file()
}

/// The functions that changed from the run in `before` to that in `after`, both profiled in their
/// measured windows. `None` if either has no profile that can be read, or no requests.
pub fn changed_functions(before: &Path, after: &Path) -> Option<FunctionChanges> {
    let sides = [before, after].map(|folder| read_stored(folder).ok());
    let [Some(one), Some(other)] = &sides else { return None };
    let windows = [measured_windows(one)?, measured_windows(other)?];
    let cut = |stored, windows| Cut { stored, windows };
    let found = analysis::changed_in_all(cut(one, &windows[0]), cut(other, &windows[1]));
    let (compared, changed) = found.ok()??;
    Some(FunctionChanges {
        before: before.display().to_string(),
        after: after.display().to_string(),
        compared,
        changed: changed.iter().map(changed_function).collect(),
    })
}

/// The sampled parts of a run's measured window; `None` for a profile without a load.
pub fn measured_windows(stored: &Stored) -> Option<Windows> {
    let load = stored.about.load.as_ref()?;
    let all = load.windows.as_slice().iter();
    let measured = all.filter(|it| it.phase == uringbench_core::window::Phase::Measure);
    Some(Windows::covering(measured.map(|it| it.start..it.end)).within(&load.covered()))
}

fn changed_function(changed: &FunctionDelta) -> ChangedFunction {
    let delta = &changed.delta;
    ChangedFunction {
        function: changed.function.clone(),
        module: changed.module.clone(),
        became: delta.became.to_owned(),
        before_us: delta.before_us,
        after_us: delta.after_us,
        change_us: delta.change_us,
        q: delta.q,
    }
}
