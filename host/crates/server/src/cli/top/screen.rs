//! The terminal of `top`: keys, and a thread that asks the host.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::widgets::TableState;

use super::figures::{Figures, rows};
use super::view::{Order, Screen, draw};
use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// How often the screen looks for keys and answers.
const TICK: Duration = Duration::from_millis(100);

/// Shows the figures until the user quits.
pub(super) fn run(
    target: &Target,
    first: Figures,
    order: Order,
    every: Duration,
) -> Result<(), Failure> {
    let (answers, stop) = ask_again(target.clone(), every);
    let mut terminal = ratatui::try_init()?;
    let ended = show(&mut terminal, target, first, order, &answers);
    ratatui::restore();
    drop(stop);
    ended
}

/// Asks the host again and again, until the sender is dropped.
fn ask_again(target: Target, every: Duration) -> (Receiver<Result<Figures, String>>, Sender<()>) {
    let (answered, answers) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    thread::spawn(move || {
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let answer = super::ask(&target).map_err(|failure| failure.message());
            if answered.send(answer).is_err() {
                return;
            }
        }
    });
    (answers, stop)
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    target: &Target,
    first: Figures,
    mut order: Order,
    answers: &Receiver<Result<Figures, String>>,
) -> Result<(), Failure> {
    let (mut before, mut now) = (None, first);
    let (mut reversed, mut read, mut error) = (false, Instant::now(), None);
    let mut position = TableState::default();
    loop {
        for answer in answers.try_iter() {
            match answer {
                Ok(figures) => {
                    before = Some(std::mem::replace(&mut now, figures));
                    (read, error) = (Instant::now(), None);
                }
                Err(message) => error = Some(message),
            }
        }
        let mut rows = rows(before.as_ref(), &now);
        order.sort(&mut rows, reversed);
        let stale = error
            .as_ref()
            .map(|error| format!("these figures are {} s old: {error}", read.elapsed().as_secs()));
        let Figures { generation, rejected, draining, .. } = &now;
        let title =
            format!("{target}  generation {generation}  {rejected} refused  {draining} draining");
        let mut screen = Screen { title, stale, rows, state: position };
        terminal.draw(|frame| draw(frame, &mut screen))?;
        position = screen.state;
        if !event::poll(TICK)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
            KeyCode::Char(key) => {
                if let Some(wanted) = Order::of_key(key) {
                    reversed = wanted == order && !reversed;
                    order = wanted;
                }
            }
            KeyCode::Down => position.select_next(),
            KeyCode::Up => position.select_previous(),
            _ => {}
        }
    }
}
