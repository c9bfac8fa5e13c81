//! `bench`: the shape of a result, and what is refused. Every measured number varies.

use super::scene::Scene;

#[test]
fn bench_results_and_refusals() {
    let mut scene = Scene::with(&[("cloudtrail", "samples/cloudtrail")]);
    scene.run("bench cloudtrail --threads 2 --rounds 1 --events 40 --format json");
    scene.title("what cannot be measured");
    scene.write("empty.json", "{}");
    scene.write("text.json", "seconds 1");
    for words in [
        "bench -",
        "bench none",
        "bench null",
        "bench cloudtrail --rounds 0",
        "bench cloudtrail --bound 5",
        "bench cloudtrail --baseline none.json",
        "bench cloudtrail --baseline empty.json",
        "bench cloudtrail --baseline text.json",
        "bench cloudtrail --output cloudtrail/README.md/x.json",
        "bench --rule empty.json cloudtrail",
    ] {
        scene.run(words);
    }
    scene.end("bench");
}
