/**
 * One model ready to run: the session of the backend that was chosen, and sequences over it.
 */

import { CpuSession, startModule } from "./cpu-session.js";
import { GpuSession, startOrt } from "./gpu-session.js";
import { SitegenError } from "./protocol.js";
import { Sequence, cacheTensors } from "./sequence.js";

/** @typedef {import("./protocol.js").LoadTask} LoadTask */
/** @typedef {import("./sequence.js").Session<any>} Session */

/**
 * Start the chosen build of onnxruntime-web: its module for the CPU, its JavaScript for WebGPU.
 * @param {LoadTask} task
 * @param {Uint8Array<ArrayBuffer>} binary  the gunzipped .wasm
 * @param {string} root  URL of `_sitegen/`
 * @returns {Promise<any>}
 */
export function start(task, binary, root) {
  return task.backend === "wasm" ? startModule(task, binary, root) : startOrt(task, binary, root);
}

export class Engine {
  /**
   * @param {Session} session
   * @param {LoadTask["manifest"]} manifest
   */
  constructor(session, manifest) {
    this.session = session;
    this.manifest = manifest;
  }

  /**
   * @param {any} runtime  of `start`
   * @param {LoadTask} task
   * @param {Uint8Array<ArrayBuffer>} graph  ONNX
   * @param {Uint8Array<ArrayBuffer> | Blob} weights  the joined external file
   */
  static async open(runtime, task, graph, weights) {
    const cache = cacheTensors(task.manifest.cache);
    const kind = task.backend === "wasm" ? CpuSession : GpuSession;
    return new Engine(await kind.open(runtime, task, graph, weights, cache), task.manifest);
  }

  /** An empty sequence. Several may exist; they share nothing but the weights. */
  newSequence() {
    return new Sequence(this.session, this.manifest);
  }
}

/**
 * @param {Uint8Array<ArrayBuffer>} packed  gzip
 * @param {number} [bytes]  expected length
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function gunzip(packed, bytes) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const unpacked = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes !== undefined && unpacked.length !== bytes) {
    throw new SitegenError(
      "engine-failed",
      `The engine unpacked to ${unpacked.length} bytes instead of ${bytes}. ` +
        "The site's owner must publish the site anew.",
    );
  }
  return unpacked;
}
