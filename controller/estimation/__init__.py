"""From what the field said to what the planner may assume: state, inputs held, forecasts."""
