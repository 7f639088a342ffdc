// Routing by agreement, Procedure 1 of the paper: model/routings/dynamic.py.

import { couple, iterate } from "../capsules.js";

export function couplings(uHat, layer) {
  const { ROUTING_ITERS, NONE_OF_THE_ABOVE } = layer.settings;
  return iterate(uHat, layer, ROUTING_ITERS, (b) => couple(b, layer.J, NONE_OF_THE_ABOVE));
}
