/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/name.h"

#include <stdlib.h>
#include <sys/random.h>

static const char *const adjectives[] = {"able", "amber", "ample", "azure", "blithe", "bold", "brave", "bright",
	"brisk", "calm", "clear", "clever", "coral", "cosy", "crisp", "daring", "dapper", "deep", "eager", "early",
	"easy", "even", "fair", "fast", "fine", "firm", "fleet", "fond", "free", "fresh", "gentle", "glad", "golden",
	"good", "grand", "happy", "hardy", "hearty", "humble", "ideal", "jolly", "keen", "kind", "lively", "loyal",
	"lucid", "lucky", "merry", "mild", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite",
	"proud", "quick", "quiet", "rapid", "ready", "rosy", "serene", "sharp", "silver", "smart", "smooth",
	"snug", "solid", "sound", "spry", "stable", "steady", "still", "stout", "sturdy", "sunny", "swift", "tidy",
	"tranquil", "trim", "true", "upbeat", "vivid", "warm", "wise", "witty", "zesty"};
static const char *const nouns[] = {"albatross", "anchor", "atoll", "barge", "barque", "bay", "beacon", "beam", "bight",
	"boom", "bosun", "bow", "breeze", "brig", "bulkhead", "buoy", "canoe", "capstan", "caravel", "catamaran",
	"channel", "clipper", "coast", "compass", "coracle", "current", "cutter", "davit", "deck", "delta", "dhow",
	"dinghy", "dock", "dolphin", "estuary", "ferry", "fjord", "fleet", "forecastle", "frigate", "galleon", "galley",
	"gull", "halyard", "harbor", "hawser", "helm", "island", "jetty", "jib", "junk", "kayak", "keel", "ketch", "lagoon",
	"lanyard", "lighthouse", "lugger", "marina", "mariner", "mast", "moor", "narwhal", "oar", "osprey", "outrigger",
	"pelican", "pier", "pilot", "pinnace", "porpoise", "port", "prow", "quay", "raft", "reef", "rigging", "rudder",
	"sail", "schooner", "sextant", "shoal", "skiff", "skipper", "sloop", "sounder", "spinnaker", "starboard", "stern",
	"strait", "tide", "tiller", "trawler", "tug", "wake", "wharf", "windlass", "yacht", "yawl"};

char *name_random(unsigned attempt)
{
	unsigned short r[3];
	if (getrandom(r, sizeof r, 0) != sizeof r)
		abort();
	const char *a = adjectives[r[0] % countof(adjectives)], *n = nouns[r[1] % countof(nouns)];
	return attempt ? mem_printf("%s_%s%u", a, n, r[2] % 1000u) : mem_printf("%s_%s", a, n);
}
