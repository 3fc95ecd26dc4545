//! Tables: columns with heads, and a first column that names its row.

use maud::{Markup, html};

use crate::foreign::Foreign;

/// The heads of the columns.
pub(crate) fn heads(names: &[&str]) -> Markup {
    html! { thead { tr { @for name in names { th scope="col" { (Foreign(name)) } } } } }
}

/// A table of texts.
pub(crate) fn table(names: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.wide {
            table {
                (heads(names))
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (Foreign(cell)) } }
                                @else { td { (Foreign(cell)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
