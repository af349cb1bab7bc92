//! Serves the rig with published versions in it as a subject; see `crinoid_evolve::rig`.

fn main() -> std::io::Result<()> {
    crinoid_evolve::rig::Rig::new().run()
}
