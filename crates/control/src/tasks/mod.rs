//! What happens by itself: the world is kept as it is wanted, old records are forgotten.
//!
//! Every task is a [`TaskPlan`] and an idempotent `async fn`; [`start`] names them all. [`runner`] runs them.

mod budgets;
mod clock;
mod folders;
mod hint;
mod images;
mod lease;
mod people;
mod plan;
mod prune;
mod queue;
mod readings;
mod reconcile;
mod records;
mod runner;
mod service;
mod utilization;

use std::{pin::Pin, sync::Arc};

use tokio::sync::Notify;

pub(crate) use lease::lead_first;
pub(crate) use reconcile::recover;
pub(crate) use runner::{Done, TaskPlan, Tasks};

use crate::app::{App, Stage};

/// A task as a future that ends when the server does.
pub(crate) type Kept = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands every task of this process to `spawn`.
pub(crate) fn start(app: &Arc<App>, mut spawn: impl FnMut(Kept)) {
    spawn(Box::pin(reconcile::watch_node(Arc::clone(app))));
    let wakes = hint::Wakes { reconcile: Arc::clone(&app.reconcile_soon), ..hint::Wakes::default() };
    spawn(Box::pin(hint::listen(Arc::clone(app), wakes.clone())));
    let looking = reconcile::Reconciler::default();
    spawn(kept(app, reconcile::plan_of(app), Arc::clone(&app.reconcile_soon), move |app| looking.clone().run(app)));
    spawn(kept(app, queue::PLAN, Arc::clone(&app.queue.wake), queue::decide));
    spawn(kept(app, budgets::PLAN, Arc::clone(&app.money.wake), budgets::look));
    let listeners = readings::Listeners::default();
    spawn(kept(app, readings::PLAN, Arc::default(), move |app| listeners.clone().run(app)));
    spawn(kept(app, utilization::plan_of(app), Arc::default(), utilization::look));
    spawn(kept(app, folders::PLAN, Arc::clone(&app.folders.wake), folders::look));
    spawn(kept(app, images::PLAN, Arc::default(), images::collect));
    spawn(kept(app, clock::PLAN, Arc::default(), clock::keep));
    spawn(kept(app, records::PLAN, Arc::default(), records::compare));
    spawn(kept(app, prune::PLAN, Arc::default(), prune::prune));
    let holder = lease::Holder::default();
    spawn(kept(app, lease::PLAN, wakes.lease, move |app| holder.clone().run(app)));
    spawn(kept(app, people::plan_of(app), wakes.people, people::refresh_people));
    spawn(kept(app, service::plan_of(app), wakes.service, service::refresh));
}

/// A task that is known by its name and woken by `wake`.
pub(crate) fn kept<Work, Run>(app: &Arc<App>, plan: TaskPlan, wake: Arc<Notify>, work: Work) -> Kept
where
    Work: Fn(Arc<App>) -> Run + Send + Sync + 'static,
    Run: Future<Output = Done> + Send + 'static,
{
    let task = app.tasks.add(plan, wake);
    let (app, stop) = (Arc::clone(app), Arc::clone(app));
    Box::pin(async move { task.keep(stop.reached(Stage::Stopping), || work(Arc::clone(&app))).await })
}
