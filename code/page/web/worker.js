// The worker: it holds the network and computes, so that drawing never waits for it.

import { CapsNet } from "./capsnet.js";
import { Chain } from "./chain.js";
import { unpack } from "./payload.js";

const NETWORKS = { capsules: CapsNet, chain: Chain };

let network;

const ANSWERS = {
  load({ base64, size, crc }) {
    const { about, arrays } = unpack(base64, size, crc);
    const { samples, ...weights } = arrays;
    network = new NETWORKS[about.kind](about, weights);
    return { about, samples };
  },
  predict({ image }) {
    const before = performance.now();
    return { ...network.predict(image), milliseconds: performance.now() - before };
  },
  decode({ capsules }) {
    return { images: capsules.map(({ capsule, j }) => network.decode(capsule, j)) };
  },
};

self.onmessage = ({ data: { kind, question } }) => {
  try {
    self.postMessage({ answer: ANSWERS[kind](question) });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
