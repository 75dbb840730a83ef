//! Runs a scenario, once for every seed, and says which step goes otherwise than it has it.

use std::collections::BTreeMap;
use std::time::Duration;

use alibabacloud_credentials::Clock;

use super::callers::{Answer, Callers, Reply, dropped_after};
use super::compare::{self, Seen};
use super::format::{Ask, Does, Gets, Hear, How, Scenario, Step, UntilContacted, Waited};
use super::world::World;

/// Enough to fill the bounds of a draw; a quarter of them where none is looked at.
const SEEDS: u64 = 32;

/// Nobody waits longer for anything.
const FOR_EVER: Duration = Duration::from_secs(600);

type Verdict = Result<(), String>;

/// When the source was contacted, by step, over all seeds.
type Draws = BTreeMap<usize, Vec<f64>>;

pub(crate) fn run(scenario: &Scenario) -> Verdict {
    let mut draws = Draws::new();
    let drawn = scenario.steps.iter().any(|step| step.until_contacted.is_some());
    for seed in 0..if drawn { SEEDS } else { SEEDS / 4 } {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        runtime.block_on(live(scenario, seed, &mut draws))?;
    }
    for (at, step) in scenario.steps.iter().enumerate() {
        if let (Some(until), Some(draws)) = (&step.until_contacted, draws.get(&at)) {
            filled(until, draws).map_err(|problem| format!("step {}: {problem}", at + 1))?;
        }
    }
    Ok(())
}

/// The draws reach into the first and the last quarter of what is allowed.
fn filled(until: &UntilContacted, draws: &[f64]) -> Verdict {
    let [from, to] = until.between;
    let quarter = (to - from) / 4.0;
    let (first, last) = draws.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
    if first > from + quarter + until.every.0 || last < to - quarter - until.every.0 {
        return Err(format!("the source is contacted after {first} s to {last} s, not spread over {from} s to {to} s"));
    }
    Ok(())
}

async fn live(scenario: &Scenario, seed: u64, draws: &mut Draws) -> Verdict {
    let mut world = World::new(&scenario.options, seed);
    let mut seen = Seen::default();
    if let Some(given) = &scenario.given {
        world.source.now(Does::Grant { lasts: given.lasts, after: Default::default(), dated: true });
        one(&world, &mut seen, How::Credentials, FOR_EVER).await?;
        world.advance(Duration::from_secs_f64(given.lasts.0 - given.left.0)).await;
        world.settle().await;
    }
    for (at, step) in scenario.steps.iter().enumerate() {
        let told = format!("step {} (seed {seed})", at + 1);
        let (contacts, checks) = (world.source.contacts(), world.source.checks());
        let contacted = happen(&mut world, &mut seen, step).await.map_err(|problem| format!("{told}: {problem}"))?;
        if let Some(after) = contacted {
            draws.entry(at).or_default().push(after);
        }
        world.settle().await;
        let contacts = world.source.contacts() - contacts;
        let checks = world.source.checks() - checks;
        compared(&mut world, &seen, step, contacts, checks).await.map_err(|problem| format!("{told}: {problem}"))?;
    }
    Ok(())
}

/// What the step says, and how long it took until the source was contacted, where that is asked.
async fn happen(world: &mut World, seen: &mut Seen, step: &Step) -> Result<Option<f64>, String> {
    if let Some(does) = &step.source {
        world.source.now(does.clone());
    }
    if let Some(current) = step.current {
        world.source.says_current(current);
    }
    if let Some(place) = step.home {
        world.home.now(place);
    }
    if let Some(ask) = &step.ask {
        asked(world, seen, ask).await?;
    }
    if let Some(hear) = &step.hear {
        heard(world, seen, hear).await?;
    }
    if let Some(until) = &step.until_contacted {
        return until_contacted(world, seen, until).await.map(Some);
    }
    if let Some(who) = &step.give_up {
        let callers = world.waiting.remove(who).ok_or_else(|| format!("nobody waits as {who}"))?;
        drop(callers.answers().await);
    }
    if let Some(by) = step.advance {
        world.advance(by.duration()).await;
    }
    if let Some(by) = step.step_wall {
        world.clock.step(by);
    }
    if let Some(by) = step.suspend {
        world.clock.suspend(by.duration());
    }
    if let Some(reject) = &step.reject {
        let current = world.refresher()?.invalidate(&seen.session(&reject.session)?);
        if current != reject.current {
            return Err(format!("the report about {} comes to {current}", reject.session));
        }
    }
    match step.keep_fresh {
        Some(true) => {
            let (stop, stopped) = tokio::sync::oneshot::channel();
            world.refresher()?.keep_fresh(async move { drop(stopped.await) });
            world.stop = Some(stop);
        }
        Some(false) => drop(world.stop.take()),
        None => {}
    }
    if step.lose_refresh == Some(true) {
        world.home.lose();
    }
    if step.resume == Some(true) {
        world.home.resume();
    }
    if step.drop_last_handle == Some(true) {
        world.refresher = None;
    }
    Ok(None)
}

async fn compared(world: &mut World, seen: &Seen, step: &Step, contacts: usize, checks: usize) -> Verdict {
    if let Some(wanted) = step.contacts {
        compare::count(wanted, contacts, "contacted")?;
    }
    if let Some(wanted) = step.checks {
        compare::count(wanted, checks, "asked whether it is current")?;
    }
    if let Some(wanted) = &step.health {
        compare::health(wanted, &world.refresher()?.health(), world.clock.now().system_time())?;
    }
    // Whoever subscribed has been told of what callers were given.
    let given = seen.generation();
    let told = world.generations.wait_for(|told| *told >= given).await;
    told.map(|_| ()).map_err(|_| format!("subscribers were not told of generation {given}, which was handed out"))
}

async fn asked(world: &mut World, seen: &mut Seen, ask: &Ask) -> Verdict {
    if let Some(polls) = ask.polls {
        let waits = dropped_after(polls, ask.how, world.refresher()?).await;
        return if waits { Ok(()) } else { Err("the caller had an answer before it was dropped".to_owned()) };
    }
    for time in 0..ask.times {
        if time > 0 {
            world.advance(ask.every.duration()).await;
        }
        let callers = Callers::start(ask.callers, ask.how, world.refresher()?, &world.clock);
        if let Some(name) = &ask.waiting_as {
            world.waiting.insert(name.clone(), callers);
            world.settle().await;
            return match world.waiting.get(name).map_or(0, Callers::finished) {
                0 => Ok(()),
                served => Err(format!("{served} callers do not wait")),
            };
        }
        let patience = ask.patience.map_or(FOR_EVER, |patience| patience.duration());
        let (Some(gets), Some(waited)) = (&ask.gets, ask.waited) else { return Err("incomplete".to_owned()) };
        listen(world, seen, callers, patience, gets, waited)
            .await
            .map_err(|problem| if ask.times > 1 { format!("at the {}. time {problem}", time + 1) } else { problem })?;
    }
    Ok(())
}

async fn heard(world: &mut World, seen: &mut Seen, hear: &Hear) -> Verdict {
    let callers = world.waiting.remove(&hear.who).ok_or_else(|| format!("nobody waits as {}", hear.who))?;
    listen(world, seen, callers, FOR_EVER, &hear.gets, hear.waited).await
}

async fn listen(
    world: &World,
    seen: &mut Seen,
    callers: Callers,
    patience: Duration,
    gets: &Gets,
    waited: Waited,
) -> Verdict {
    world.wait_for(&callers, patience).await;
    for answer in callers.answers().await {
        seen.always(&answer.reply, world.source.true_time())?;
        compare::gets(gets, &answer.reply)?;
        if !matches!(answer.reply, Reply::None) {
            compare::waited(waited, &answer)?;
        }
    }
    Ok(())
}

async fn one(world: &World, seen: &mut Seen, how: How, patience: Duration) -> Result<Answer, String> {
    let callers = Callers::start(1, how, world.refresher()?, &world.clock);
    world.wait_for(&callers, patience).await;
    let answer = callers.answers().await.pop().ok_or("no answer")?;
    seen.always(&answer.reply, world.source.true_time())?;
    Ok(answer)
}

async fn until_contacted(world: &World, seen: &mut Seen, until: &UntilContacted) -> Result<f64, String> {
    let [from, to] = until.between;
    let (began, before) = (world.clock.now().monotonic, world.source.contacts());
    loop {
        let after = (world.clock.now().monotonic - began).as_secs_f64();
        let answer = one(world, seen, until.how, FOR_EVER).await?;
        let contacts = world.source.contacts() - before;
        let gets = until.finally.as_ref().filter(|_| contacts > 0).unwrap_or(&until.gets);
        compare::gets(gets, &answer.reply).map_err(|problem| format!("after {after} s {problem}"))?;
        let waited = if contacts == 0 { Waited::No(false) } else { until.waited };
        compare::waited(waited, &answer).map_err(|problem| format!("after {after} s {problem}"))?;
        if contacts > 1 {
            return Err(format!("the source is contacted {contacts} times"));
        }
        // Deadlines are set 10 ms early, and seen when someone asks.
        if contacts == 1 && after < from - 0.011 {
            return Err(format!("the source is contacted after {after} s, before {from} s"));
        }
        if contacts == 1 {
            return Ok(after);
        }
        if after > to {
            return Err(format!("the source is not contacted within {to} s"));
        }
        world.advance(until.every.duration()).await;
    }
}
