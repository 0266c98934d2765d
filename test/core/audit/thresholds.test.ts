import { unpromotedPagedAfter } from "../../../core/audit/thresholds";
import { HOUR, MINUTE } from "../../../local/clock";

test.each([
  [24, 60],
  [13, 60],
  [12.5, 30],
  [12, 5],
  [2, 5],
  [0, 5],
])("with a grace period of %d hours an unpromoted key is paged after %d minutes", (hours, minutes) => {
  expect(unpromotedPagedAfter({ gracePeriodMs: hours * HOUR })).toBe(minutes * MINUTE);
});
