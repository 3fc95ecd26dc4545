//! Writes a scenario as TOML: only settings that differ from the defaults, short tables on one
//! line.

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlKeyBuilder, TomlStringBuilder};

use crate::model::{
    Body, Capture, Check, Flow, Part, PartContent, Replay, Scalar, Scenario, Source, Step, Target,
};

/// The longest line of a table on one line.
const COLUMNS: usize = 100;

/// A value of a table.
enum Item {
    /// As written in the file.
    Value(String),
    Table(Table),
}

type Table = Vec<(String, Item)>;

/// The text of the file. `notes` become its first lines.
pub(crate) fn scenario(scenario: &Scenario, notes: &[String]) -> String {
    let mut text = format!("# {}\n", scenario.origin);
    if !notes.is_empty() {
        text += "# Not imported, or only with changes:\n";
    }
    for note in notes {
        text += &format!("# - {note}\n");
    }
    text += &format!("target = {}\n", string(&scenario.target));
    if scenario.has_cookies {
        text += "cookies = true\n";
    }
    if let Some(replay) = &scenario.replay {
        section(
            &mut text,
            "[load]",
            "load",
            vec![("replay".to_owned(), Item::Table(table(replay)))],
        );
    }
    for data in &scenario.data {
        let file = vec![("file".to_owned(), Item::Value(string(&data.file)))];
        let name = format!("data.{}", key(&data.name));
        section(&mut text, &format!("[{name}]"), &name, file);
    }
    for flow in &scenario.flows {
        let mut items = vec![("name".to_owned(), Item::Value(string(&flow.name)))];
        items.extend(flow.weight.map(|weight| number("weight", weight)));
        section(&mut text, "[[flow]]", "flow", items);
        for (step, name) in flow.steps.iter().zip(names(flow)) {
            section(&mut text, "[[flow.step]]", "flow.step", self::step(step, name));
        }
    }
    text
}

fn table(replay: &Replay) -> Table {
    let mut items: Table =
        [("data", &replay.data), ("column", &replay.column), ("flow", &replay.flow)]
            .map(|(name, value)| (name.to_owned(), Item::Value(string(value))))
            .into();
    items
        .extend(replay.speed.map(|speed| ("speed".to_owned(), Item::Value(speed.to_toml_value()))));
    items
}

/// The names of a flow's steps that need one: a step without a name is called by method and path,
/// and no two steps may have the same name.
fn names(flow: &Flow) -> Vec<Option<String>> {
    let mut taken: std::collections::HashSet<String> = std::collections::HashSet::new();
    let mut names = Vec::new();
    for step in &flow.steps {
        let own = default_name(step);
        let wanted = step.name.as_ref().unwrap_or(&own);
        let mut name = wanted.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{wanted} ({count})");
        }
        let is_verbatim = matches!(step.target, Target::Verbatim(_));
        names.push((name != own || is_verbatim).then_some(name));
    }
    names
}

fn default_name(step: &Step) -> String {
    let path = match &step.target {
        Target::Path { path, .. } => path,
        Target::Verbatim(url) => url.split(['?', '#']).next().unwrap_or(url),
    };
    format!("{} {path}", step.method)
}

fn step(step: &Step, name: Option<String>) -> Table {
    let mut items: Table = Vec::new();
    items.extend(name.map(|name| ("name".to_owned(), Item::Value(string(&name)))));
    let by_body = if step.body.is_some() { "POST" } else { "GET" };
    if step.method != by_body {
        items.push(("method".to_owned(), Item::Value(string(&step.method))));
    }
    match &step.target {
        Target::Path { path, query } => {
            items.push(("path".to_owned(), Item::Value(string(path))));
            items.extend(pairs("query", query));
        }
        Target::Verbatim(url) => items.push(("url".to_owned(), Item::Value(string(url)))),
    }
    items.extend(headers(step));
    items.extend(several("cookies", grouped(&step.cookies)));
    items.extend(step.body.as_ref().map(|body| ("body".to_owned(), Item::Table(self::body(body)))));
    items.extend(check(&step.check));
    let captures: Table =
        step.captures.iter().map(|one| (one.name.clone(), capture(one))).collect();
    if !captures.is_empty() {
        items.push(("capture".to_owned(), Item::Table(captures)));
    }
    if step.think_ms > 0 {
        let span = match step.think_ms {
            ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
            ms => format!("{ms}ms"),
        };
        let think = vec![("constant".to_owned(), Item::Value(string(&span)))];
        items.push(("think".to_owned(), Item::Table(think)));
    }
    items.extend(step.repeat.map(|times| number("repeat", times)));
    items
}

fn number(name: &str, value: impl ToString) -> (String, Item) {
    (name.to_owned(), Item::Value(value.to_string()))
}

/// Several values of a header become a list; a header that is not sent becomes an empty list.
fn headers(step: &Step) -> Option<(String, Item)> {
    let mut lines = grouped(&step.headers);
    for name in &step.without {
        if !lines.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            lines.push((name, Vec::new()));
        }
    }
    several("headers", lines)
}

/// The values of each name, in the order of first use.
pub(crate) fn grouped(pairs: &[(String, String)]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in pairs {
        match groups.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

fn several(key: &str, groups: Vec<(&str, Vec<&str>)>) -> Option<(String, Item)> {
    let item = |(name, values): (&str, Vec<&str>)| {
        let text = match values.as_slice() {
            [value] => string(value),
            values => {
                format!("[{}]", values.iter().map(|v| string(v)).collect::<Vec<_>>().join(", "))
            }
        };
        (name.to_owned(), Item::Value(text))
    };
    let table: Table = groups.into_iter().map(item).collect();
    (!table.is_empty()).then(|| (key.to_owned(), Item::Table(table)))
}

fn pairs(name: &str, pairs: &[(String, String)]) -> Option<(String, Item)> {
    let items = pairs.iter().map(|(name, value)| (name.clone(), Item::Value(string(value))));
    (!pairs.is_empty()).then(|| (name.to_owned(), Item::Table(items.collect())))
}

fn body(body: &Body) -> Table {
    let value = |name: &str, text: &str| vec![(name.to_owned(), Item::Value(string(text)))];
    match body {
        Body::Text(text) => value("text", text),
        Body::Json(text) => value("json", text),
        Body::File(file) => value("file", file.name()),
        Body::Form(fields) => match pairs("form", fields) {
            Some(form) => vec![form],
            None => vec![("form".to_owned(), Item::Table(Vec::new()))],
        },
        Body::Multipart(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| inline(&self::part(part))).collect();
            let line = format!("[{}]", parts.join(", "));
            let list = if line.len() < COLUMNS - 24 || parts.len() < 2 {
                line
            } else {
                format!("[\n    {},\n]", parts.join(",\n    "))
            };
            vec![("multipart".to_owned(), Item::Value(list))]
        }
    }
}

fn part(part: &Part) -> Table {
    let content = match &part.content {
        PartContent::Text(text) => ("text", text.as_str()),
        PartContent::File(file) => ("file", file.name()),
    };
    let optional =
        [("filename", part.filename.as_deref()), ("content_type", part.content_type.as_deref())];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let all = [("name", part.name.as_str()), content].into_iter().chain(optional);
    let all = all.map(|(name, value)| (name.to_owned(), Item::Value(string(value))));
    all.chain(pairs("headers", &part.headers)).collect()
}

fn check(check: &Check) -> Option<(String, Item)> {
    let mut items: Table = Vec::new();
    if !check.status.is_empty() {
        let all: Vec<String> = check.status.iter().map(u16::to_string).collect();
        // The syntax has no ranges of statuses.
        let lines: Vec<String> = all.chunks(18).map(|some| some.join(", ")).collect();
        let list = match lines.as_slice() {
            [line] => format!("[{line}]"),
            lines => format!("[\n    {},\n]", lines.join(",\n    ")),
        };
        items.push(("status".to_owned(), Item::Value(list)));
    }
    items.extend(pairs("header", &check.header));
    let text = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| (name.to_owned(), Item::Value(string(text))))
    };
    items.extend(text("contains", &check.contains));
    items.extend(text("equals", &check.equals));
    items.extend(check.length.map(|length| number("length", length)));
    let json =
        check.json.iter().map(|(pointer, value)| (pointer.clone(), Item::Value(scalar(value))));
    let json: Table = json.collect();
    if !json.is_empty() {
        items.push(("json".to_owned(), Item::Table(json)));
    }
    (!items.is_empty()).then(|| ("check".to_owned(), Item::Table(items)))
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => string(text),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => number.to_toml_value(),
        Scalar::Bool(bool) => bool.to_string(),
    }
}

fn capture(capture: &Capture) -> Item {
    let (name, text) = match &capture.source {
        Source::Header(name) => ("header", name),
        Source::Cookie(name) => ("cookie", name),
        Source::Json(pointer) => ("json", pointer),
        Source::Regex(text) => ("regex", text),
    };
    let text = (name.to_owned(), Item::Value(string(text)));
    Item::Table(vec![text, number("max", capture.max)])
}

/// A table with a header line of its own, followed by the long tables in it.
fn section(text: &mut String, title: &str, path: &str, items: Table) {
    *text += &format!("\n{title}\n");
    lines(text, path, items);
}

fn lines(text: &mut String, path: &str, items: Table) {
    let mut long = Vec::new();
    for (name, item) in items {
        let line = match &item {
            Item::Value(value) => format!("{} = {value}", key(&name)),
            Item::Table(table) => format!("{} = {}", key(&name), inline(table)),
        };
        let fits = line.chars().count() <= COLUMNS && !line.contains('\n');
        match item {
            Item::Table(table) if !fits => long.push((name, table)),
            _ => *text += &(line + "\n"),
        }
    }
    for (name, table) in long {
        let path = format!("{path}.{}", key(&name));
        *text += &format!("[{path}]\n");
        lines(text, &path, table);
    }
}

fn inline(table: &Table) -> String {
    if table.is_empty() {
        return "{}".to_owned();
    }
    let item = |(name, item): &(String, Item)| match item {
        Item::Value(value) => format!("{} = {value}", key(name)),
        Item::Table(table) => format!("{} = {}", key(name), inline(table)),
    };
    format!("{{ {} }}", table.iter().map(item).collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    TomlKeyBuilder::new(name).as_default().to_toml_key()
}

/// The string in the form with the fewest escapes. Carriage returns are always escaped: a parser
/// may read those of a multi-line text as line ends.
fn string(text: &str) -> String {
    let builder = TomlStringBuilder::new(text);
    let form = if text.contains('\r') { builder.as_basic() } else { builder.as_default() };
    form.to_toml_value()
}
