import { BlankPicture, type Model } from "strop";
import { wholeBundle } from "./bundle.ts";
import { Contest, compare } from "./contest.ts";
import { find } from "./dom.ts";
import { ENGINES, type EngineName, type Runner, TITLES } from "./engines/engine.ts";
import { openModel, runnerOf } from "./engines/native.ts";
import { playExample, showExample } from "./example.ts";
import { drawWithKeys } from "./keyboard.ts";
import { keepForOffline } from "./offline.ts";
import { Pad } from "./pad.ts";
import { takePhotos } from "./photo.ts";
import { offerProof } from "./proof.ts";
import { Row } from "./rows.ts";
import { View } from "./view.ts";

const IDLE_MS = 600; // without a change, before engines are timed

const contest = new Contest();
const opening = new Map<EngineName, Promise<void>>();
const rows = new Map(ENGINES.map((name) => [name, new Row(name)]));
let chosen: EngineName = "native";
let sample: Uint8Array | null = null; // of the present picture

function tell(problem: string): void {
  find("#message").textContent = problem;
}

async function start(): Promise<void> {
  const opening = openModel();
  let change = (): void => {}; // until the model is there
  const pad = new Pad(find("#pad"), () => change());
  showExample(pad); // while the model is on its way
  const { model, proofs } = await opening;
  contest.add("native", [runnerOf(model)]);
  rows.get("native")?.showState("ready");
  const view = new View(model.labels);
  performance.mark("strop-ready");

  let wanted = false; // a frame is asked for
  let timer = 0;
  change = () => {
    if (!pad.showsExample) tell("");
    contest.endRace();
    clearTimeout(timer);
    timer = setTimeout(timeEngines, IDLE_MS);
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      recognise();
    });
  };

  async function recognise(): Promise<void> {
    sample = prepare(model, pad, view);
    if (!sample) {
      for (const row of rows.values()) row.showAgreement(null);
      return;
    }
    const mine = sample;
    view.showSeen(mine);
    const results = await contest.judge(mine);
    const [result, ours] = [results.get(chosen) ?? results.get("native"), results.get("native")];
    if (mine !== sample || !result || !ours) return; // there is a newer picture
    view.showResult(result);
    for (const [name, one] of results) rows.get(name)?.showAgreement(compare(one, ours));
  }

  async function timeEngines(): Promise<void> {
    if (!sample || pad.isDrawing || !(await contest.race(sample))) return;
    const ours = contest.best("native").us;
    for (const [name, row] of rows) {
      if (!contest.has(name)) continue;
      const { runner, us } = contest.best(name);
      row.showTime(runner.precision, us, ours);
    }
  }

  async function choose(name: EngineName): Promise<void> {
    chosen = name;
    try {
      await open(name);
    } catch (error) {
      tell(`${TITLES[name]} does not run here: ${reasonOf(error)}`);
      if (chosen === name) select("native");
    }
    await recognise();
    await timeEngines();
  }

  function select(name: EngineName): void {
    find<HTMLInputElement>(`input[value="${name}"]`).checked = true;
    chosen = name;
  }

  await recognise();
  performance.mark("strop-first-digit");
  document.documentElement.dataset.ready = "true";

  playExample(pad);
  drawWithKeys(pad, find("#pen"));
  takePhotos(pad, find("#photo"), tell);
  offerProof(model, proofs);
  find("#clear").addEventListener("click", () => pad.clear());
  find("#undo").addEventListener("click", () => pad.undo());
  for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=engine]")) {
    radio.disabled = false;
    radio.addEventListener("change", () => choose(radio.value as EngineName));
  }
  await keepForOffline();
}

/** Prepare the present picture; null if there is nothing to see. */
function prepare(model: Model, pad: Pad, view: View): Uint8Array | null {
  const picture = pad.picture();
  try {
    if (picture) return model.prepare(picture) as Uint8Array;
    view.showBlank("Draw a digit");
  } catch (error) {
    if (!(error instanceof BlankPicture)) throw error;
    view.showBlank("No digit found");
  }
  return null;
}

/** Open an engine, once. */
function open(name: EngineName): Promise<void> {
  const found = opening.get(name) ?? load(name);
  opening.set(name, found);
  return found;
}

/** Load an engine, and its files from the whole bundle, which is verified first. */
async function load(name: EngineName): Promise<void> {
  if (name === "native") return; // it is there since the start
  const row = rows.get(name);
  row?.showState("loading");
  tell("");
  try {
    const [bundle, engine] = await Promise.all([
      wholeBundle(),
      scriptOf(name).catch(() => {
        throw new Error("its script does not load; reload the page");
      }),
    ]);
    const format = name === "onnx" ? "onnx" : "tflite";
    const runners: Runner[] = [];
    for (const precision of ["int8", "float32"] as const)
      runners.push(await engine.open(await bundle.readVariant({ format, precision }), precision));
    contest.add(name, runners);
    row?.showState("ready");
  } catch (error) {
    opening.delete(name); // it may work next time
    row?.showState("failed");
    throw error;
  }
}

function scriptOf(name: Exclude<EngineName, "native">) {
  return name === "onnx" ? import("./engines/onnx.ts") : import("./engines/litert.ts");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

start().catch((error: unknown) => {
  document.documentElement.dataset.ready = "false";
  rows.get("native")?.showState("failed");
  tell(`The model does not open: ${reasonOf(error)}`);
});
