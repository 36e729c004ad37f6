//! The table of `top`, for a terminal and for a pipe.

use clap::ValueEnum;
use plugbay::escaped;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row as TableRow, Table, TableState};

use super::figures::Row;
use crate::cli::print;

/// The column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// Calls per second
    Calls,
    /// Errors per second
    Errors,
    /// The 99th percentile
    Latency,
    /// Bytes of memory
    Memory,
    /// Calls in flight
    InFlight,
    /// The name
    Name,
}

impl Order {
    /// The order that a key asks for.
    pub(super) fn of_key(key: char) -> Option<Self> {
        Some(match key {
            'c' => Self::Calls,
            'e' => Self::Errors,
            'l' => Self::Latency,
            'm' => Self::Memory,
            'f' => Self::InFlight,
            'n' => Self::Name,
            _ => return None,
        })
    }

    /// Sorts: the most first, or names from a to z; `reversed` turns that round. Equal ones are sorted by name.
    pub(super) fn sort(self, rows: &mut [Row], reversed: bool) {
        let of = |value: Option<f64>| value.unwrap_or(-1.0);
        rows.sort_by(|a, b| {
            let names = || (&a.name, &a.version).cmp(&(&b.name, &b.version));
            let order = match self {
                Self::Calls => of(b.calls_per_second).total_cmp(&of(a.calls_per_second)),
                Self::Errors => of(b.errors_per_second).total_cmp(&of(a.errors_per_second)),
                Self::Latency => of(b.p99).total_cmp(&of(a.p99)),
                Self::Memory => b.memory.cmp(&a.memory),
                Self::InFlight => b.in_flight.cmp(&a.in_flight),
                Self::Name => names(),
            };
            let order = if reversed { order.reverse() } else { order };
            order.then_with(names)
        });
    }
}

const HEADS: [&str; 8] = ["plugin", "state", "calls/s", "err/s", "p50", "p99", "memory", "flight"];

fn cells(row: &Row) -> [String; 8] {
    let rate = |rate: Option<f64>| match rate {
        None => "-".to_owned(),
        Some(it) if it < 1000.0 => format!("{it:.1}"),
        Some(it) => format!("{it:.0}"),
    };
    let canary = if row.canary { " (canary)" } else { "" };
    [
        escaped(format!("{}@{}{canary}", row.name, row.version)).into_owned(),
        row.state.clone(),
        rate(row.calls_per_second),
        rate(row.errors_per_second),
        time(row.p50),
        time(row.p99),
        print::size(row.memory),
        row.in_flight.to_string(),
    ]
}

/// The upper bound of a bucket of durations.
fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(it) if it.is_infinite() => "longer".to_owned(),
        Some(it) if it >= 1.0 => format!("{it:.0} s"),
        Some(it) if it >= 0.001 => format!("{:.0} ms", it * 1e3),
        Some(it) => format!("{:.0} us", it * 1e6),
    }
}

/// One table, for a pipe.
pub(super) fn table(rows: &[Row]) -> String {
    print::table(&HEADS, rows.iter().map(|row| cells(row).to_vec()).collect())
}

/// All that the screen shows.
pub(super) struct Screen {
    /// The host, its generation, and how many files are refused.
    pub(super) title: String,
    /// Why the figures are old, if they are.
    pub(super) stale: Option<String>,
    pub(super) rows: Vec<Row>,
    pub(super) state: TableState,
}

const KEYS: &str = "sort: c calls e errors l latency m memory f in flight n name   q quit";

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let lines =
        [Constraint::Length(1), Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)];
    let [title, stale, middle, keys] = Layout::vertical(lines).areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Line::styled(screen.title.as_str(), bold), title);
    let old = screen.stale.as_deref().unwrap_or_default();
    frame.render_widget(Line::styled(old, Style::new().add_modifier(Modifier::REVERSED)), stale);
    let heads = HEADS.map(|head| Cell::from(head.to_uppercase()));
    let rows = screen.rows.iter().map(|row| TableRow::new(cells(row)));
    let widths = [
        Constraint::Min(12),
        Constraint::Length(12),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(10),
        Constraint::Length(6),
    ];
    let table = Table::new(rows, widths).header(TableRow::new(heads).style(bold)).column_spacing(1);
    frame.render_stateful_widget(table, middle, &mut screen.state);
    frame.render_widget(Line::raw(KEYS), keys);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::figures::{example, rows};
    use super::*;

    fn screen(stale: Option<String>) -> Screen {
        let [first, then] = example();
        let mut rows = rows(Some(&first), &then);
        Order::Calls.sort(&mut rows, false);
        let title = "127.0.0.1:7071 (admin.listen)  generation 7  1 refused  0 draining".to_owned();
        Screen { title, stale, rows, state: TableState::default() }
    }

    fn drawn(width: u16, height: u16, mut screen: Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &mut screen)).unwrap();
        let text = terminal.backend().to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_screen_fits_a_small_and_a_wide_terminal() {
        insta::assert_snapshot!("top_80x24", drawn(80, 24, screen(None)));
        insta::assert_snapshot!("top_120x8", drawn(120, 8, screen(None)));
        let stale = "these figures are 12 s old: the host does not answer".to_owned();
        insta::assert_snapshot!("top_stale", drawn(80, 10, screen(Some(stale))));
        // Too small for anything: no panic.
        drop(drawn(3, 2, screen(None)));
    }

    #[test]
    fn a_pipe_gets_one_table() {
        let [first, then] = example();
        let table = table(&rows(Some(&first), &then));
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("PLUGIN") && lines[0].ends_with("FLIGHT"), "{table}");
        assert!(lines[1].starts_with("hello@1.2.0") && lines[1].contains("1000 "), "{table}");
        assert_eq!(lines.len(), 4, "{table}");
    }

    #[test]
    fn rows_are_sorted_by_each_column() {
        let [first, then] = example();
        let mut all = rows(Some(&first), &then);
        let mut names = |order: Order, reversed: bool| {
            order.sort(&mut all, reversed);
            all.iter().map(|row| row.name.chars().next().unwrap()).collect::<String>()
        };
        assert_eq!(names(Order::Calls, false), "hja");
        assert_eq!(names(Order::Calls, true), "ajh");
        assert_eq!(names(Order::Errors, false), "jha");
        assert_eq!(names(Order::Latency, false), "jha");
        assert_eq!(names(Order::Memory, false), "hja");
        assert_eq!(names(Order::InFlight, false), "jah");
        assert_eq!(names(Order::Name, false), "ahj");
    }
}
