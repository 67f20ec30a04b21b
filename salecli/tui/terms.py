"""The words of an auction, as the help of every screen that uses them explains them."""

TERMS = """\
- **price**: what the agent takes, in USD per million tokens
- **tokens**: how long its plan is
- **ms/t**: milliseconds that a written token takes on this machine, where `sale models bench` measured it
- **thoughts**: tokens that the agent thought before its plan, and their entropy; they are paid for, and count
  neither as the plan's length nor as its entropy
- **entropy**: how unsure the agent was of its words, the mean of its tokens in nats; 0 is sure of each
- **marks**: what the judges think of a plan, 0 to 5. Every agent is a judge; its **own mark**, of its own
  plan, stands in brackets; `~` stands in for a judge that failed, `-` for one that is not on the plan's jury.
  `4.2->3.6` was given as 4.2 and counts as 3.6, by what became of past plans; without room, 3.6 stands alone
- **cost**: price times tokens, as a share of the dearest agent's longest plan, times the thrift
- **value**: entropy and marks, each by its weight
- **score**: cost minus value; the lowest, with `*`, leads and wins unless you choose another agent
- **refined**: the agent, cheaper than the leader, wrote its plan anew after it had read pairs: `old > new`
- **pairs**: a lost and a won plan of one past task like this one, kept by memory
"""
