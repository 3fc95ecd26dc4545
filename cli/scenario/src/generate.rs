//! Rows of test data that no file has: users, products and posts, as many as wanted.
//!
//! A row depends on the seed and on its number alone, so more rows leave the first ones as they
//! are, and two runs with one seed send the same.

use std::fmt::Write as _;

use uringbench_core::flow::table::Table;
use uringbench_core::statistics::random::Random;

use crate::format::Generate;

/// The most rows: with the longest of them the table takes about 700 MB.
pub(crate) const ROWS_MAX: u32 = 1_000_000;

/// The 64-bit golden ratio, which keeps the numbers of rows and seeds apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

const FIRST_NAMES: [&str; 24] = [
    "Ada", "Alan", "Amara", "Björn", "Chen", "Clara", "Diego", "Emma", "Farid", "Grace", "Hana",
    "Igor", "Jonas", "Kofi", "Leila", "Marie", "Nils", "Olga", "Priya", "Rosa", "Sven", "Tomás",
    "Yuki", "Zoë",
];
const LAST_NAMES: [&str; 24] = [
    "Andersson",
    "Becker",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanov",
    "Jansen",
    "Kowalski",
    "Lopez",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Okafor",
    "Patel",
    "Rossi",
    "Silva",
    "Tanaka",
    "Urban",
    "Virtanen",
    "Weber",
    "Zhang",
];
const CITIES: [&str; 12] = [
    "Berlin", "Bogotá", "Chicago", "Kyiv", "Lagos", "Lisbon", "Mumbai", "Osaka", "Oslo", "Paris",
    "Sydney", "Zürich",
];
const MATERIALS: [&str; 12] = [
    "Bamboo",
    "Brushed steel",
    "Ceramic",
    "Cork",
    "Cotton",
    "Glass",
    "Leather",
    "Linen",
    "Oak",
    "Recycled",
    "Walnut",
    "Wool",
];
const THINGS: [(&str, &str); 12] = [
    ("backpack", "outdoor"),
    ("blanket", "home"),
    ("bottle", "outdoor"),
    ("chair", "furniture"),
    ("clock", "home"),
    ("desk", "furniture"),
    ("headphones", "electronics"),
    ("keyboard", "electronics"),
    ("lamp", "home"),
    ("mug", "kitchen"),
    ("notebook", "office"),
    ("pan", "kitchen"),
];
const TOPICS: [&str; 12] = [
    "caches",
    "databases",
    "deployments",
    "flame graphs",
    "indexes",
    "latency",
    "load tests",
    "logs",
    "queues",
    "releases",
    "sockets",
    "threads",
];
const OPENINGS: [&str; 6] = [
    "A short history of",
    "How we tamed our",
    "Lessons from ten years of",
    "The hidden cost of",
    "Three mistakes with",
    "What nobody says about",
];
const SENTENCES: [&str; 8] = [
    "The first version was simple, and it worked for a year.",
    "Then the traffic doubled, and nobody could say why it was slow.",
    "We measured before we changed anything.",
    "Most of the time went into a place that no one had looked at.",
    "The fix took an afternoon; finding it took a month.",
    "A queue hides a problem until it is full.",
    "The averages looked well all the time.",
    "We kept the test, so that it cannot come back.",
];

/// The names of the columns and the rows.
pub(crate) fn table(kind: Generate, rows: u32, seed: u64) -> (Vec<String>, Table) {
    let columns: &[&str] = match kind {
        Generate::Users => &[
            "id",
            "first_name",
            "last_name",
            "name",
            "username",
            "email",
            "password",
            "age",
            "city",
        ],
        Generate::Products => &["id", "sku", "name", "description", "category", "price", "stock"],
        Generate::Posts => &["id", "title", "slug", "author", "body", "tags"],
    };
    let mut table = Table::new(columns.len());
    for number in 1..=rows {
        let mut random = Random::new(seed ^ u64::from(number).wrapping_mul(SPREAD));
        let row = match kind {
            Generate::Users => user(number, &mut random).to_vec(),
            Generate::Products => product(number, &mut random).to_vec(),
            Generate::Posts => post(number, &mut random).to_vec(),
        };
        table.push(row);
    }
    (columns.iter().map(|name| (*name).to_owned()).collect(), table)
}

fn one<T: Copy>(of: &[T], random: &mut Random) -> T {
    of[random.below(of.len())]
}

fn user(number: u32, random: &mut Random) -> [String; 9] {
    let (first, last) = (one(&FIRST_NAMES, random), one(&LAST_NAMES, random));
    let username = format!("{}.{}{number}", plain(first), plain(last));
    let mut password = String::new();
    for _ in 0..16 {
        let digit = u32::try_from(random.below(36)).unwrap_or(0);
        password.push(char::from_digit(digit, 36).unwrap_or('0'));
    }
    [
        number.to_string(),
        first.to_owned(),
        last.to_owned(),
        format!("{first} {last}"),
        username.clone(),
        format!("{username}@example.com"),
        password,
        (18 + random.below(63)).to_string(),
        one(&CITIES, random).to_owned(),
    ]
}

fn product(number: u32, random: &mut Random) -> [String; 7] {
    let (material, (thing, category)) = (one(&MATERIALS, random), one(&THINGS, random));
    let code: String = category.chars().take(3).collect::<String>().to_uppercase();
    let (euros, cents) = (1 + random.below(499), one(&[0_usize, 49, 90, 95, 99], random));
    [
        number.to_string(),
        format!("{code}-{number:06}"),
        format!("{material} {thing}"),
        format!(
            "{material} {thing} for every day, {} g. {}",
            50 * (1 + random.below(60)),
            one(&["Made to last.", "Easy to repair.", "Ships within two days."], random)
        ),
        category.to_owned(),
        format!("{euros}.{cents:02}"),
        random.below(1_000).to_string(),
    ]
}

fn post(number: u32, random: &mut Random) -> [String; 6] {
    let topic = one(&TOPICS, random);
    let title = format!("{} {topic}", one(&OPENINGS, random));
    let slug: String = plain(&title).chars().map(|it| if it == ' ' { '-' } else { it }).collect();
    let mut body = String::new();
    for at in 0..3 + random.below(10) {
        let space = if at == 0 { "" } else { " " };
        let _ = write!(body, "{space}{}", one(&SENTENCES, random));
    }
    [
        number.to_string(),
        title,
        format!("{slug}-{number}"),
        format!("{} {}", one(&FIRST_NAMES, random), one(&LAST_NAMES, random)),
        body,
        format!(
            "{},{}",
            plain(topic).replace(' ', "-"),
            one(&["howto", "opinion", "story"], random)
        ),
    ]
}

/// A name in the letters of an address: lower case, without accents and marks.
fn plain(name: &str) -> String {
    let letter = |letter: char| match letter {
        'ö' => Some('o'),
        'ü' => Some('u'),
        'ë' => Some('e'),
        'á' => Some('a'),
        'í' => Some('i'),
        letter => (letter.is_ascii_alphanumeric() || letter == ' ').then_some(letter),
    };
    name.to_lowercase().chars().filter_map(letter).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn cells(kind: Generate, rows: u32, seed: u64) -> Vec<Vec<String>> {
        let (columns, table) = table(kind, rows, seed);
        let cell = |row, column| {
            String::from_utf8(table.cell(row, column).to_vec()).expect("rows are UTF-8")
        };
        let row = |row| (0..columns.len()).map(|column| cell(row, column)).collect();
        (0..table.rows()).map(row).collect()
    }

    #[test]
    fn rows_follow_from_the_seed_and_their_number_alone() {
        for kind in [Generate::Users, Generate::Products, Generate::Posts] {
            let few = cells(kind, 10, 7);
            assert_eq!(few, cells(kind, 1_000, 7)[..10], "{kind:?}");
            assert_ne!(few, cells(kind, 10, 8), "{kind:?}");
            assert!(few.iter().flatten().all(|cell| !cell.is_empty()), "{few:?}");
        }
    }

    #[test]
    fn what_must_be_unique_is() {
        let unique = |kind, column: usize| {
            let rows = cells(kind, 5_000, 1);
            rows.iter().map(|row| row[column].clone()).collect::<HashSet<_>>().len()
        };
        assert_eq!((unique(Generate::Users, 4), unique(Generate::Users, 5)), (5_000, 5_000));
        assert_eq!((unique(Generate::Products, 1), unique(Generate::Posts, 2)), (5_000, 5_000));
    }

    #[test]
    fn addresses_slugs_and_prices_have_their_form() {
        for row in cells(Generate::Users, 2_000, 3) {
            let (name, host) = row[5].split_once('@').expect("an address");
            assert!(name.chars().all(|it| it.is_ascii_alphanumeric() || it == '.'), "{name}");
            assert_eq!((host, row[6].len()), ("example.com", 16));
            assert!((18..=80).contains(&row[7].parse::<u32>().expect("an age")));
        }
        for row in cells(Generate::Posts, 500, 3) {
            assert!(row[2].chars().all(|it| it.is_ascii_alphanumeric() || it == '-'), "{row:?}");
        }
        for row in cells(Generate::Products, 500, 3) {
            let (_, cents) = row[5].split_once('.').expect("a price");
            assert!(cents.len() == 2 && row[5].parse::<f64>().is_ok_and(|it| it > 0.0), "{row:?}");
        }
    }
}
